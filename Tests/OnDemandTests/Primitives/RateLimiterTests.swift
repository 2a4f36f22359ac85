import Testing

@testable import OnDemand

struct RateLimiterTests {
    private func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1_000_000_000)) }

    @Test("one second's allowance is available at once, and the excess is delayed")
    func burst() {
        var rateLimiter = RateLimiter(messagesPerSecond: 10)
        rateLimiter.spend(10, at: instant(100))
        #expect(rateLimiter.next(after: instant(100)) == nil)
        rateLimiter.spend(1, at: instant(100))
        #expect(rateLimiter.next(after: instant(100)) == instant(100.1))
        rateLimiter.spend(20, at: instant(100))
        #expect(rateLimiter.next(after: instant(100)) == instant(102.1))
        #expect(rateLimiter.next(after: instant(102.1)) == nil)
    }

    @Test(
        "over a long time no client exceeds the rate, and a client within it is never delayed", arguments: [1, 7, 1000])
    func average(rate: Int) {
        var eager = RateLimiter(messagesPerSecond: rate)
        var now = instant(5)
        for _ in 0..<(20 * rate) {
            eager.spend(1, at: now)
            now = eager.next(after: now) ?? now
        }
        #expect((18.9...19.1).contains(Double(now.nanoseconds) / 1e9 - 5))
        var even = RateLimiter(messagesPerSecond: rate)
        for step in 0..<(5 * rate) {
            let now = instant(5 + Double(step) / Double(rate))
            even.spend(1, at: now)
            #expect(even.next(after: now) == nil)
        }
    }

    @Test("silence accumulates at most one second's allowance")
    func silence() {
        var rateLimiter = RateLimiter(messagesPerSecond: 2)
        rateLimiter.spend(1, at: instant(1))
        rateLimiter.spend(3, at: instant(1000))
        #expect(rateLimiter.next(after: instant(1000)) == instant(1000.5))
    }
}
