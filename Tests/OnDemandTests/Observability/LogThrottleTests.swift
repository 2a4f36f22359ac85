import Testing

@testable import OnDemand

struct LogThrottleTests {
    @Test("lines are limited per interval, and the rest is counted in the next line")
    func burst() {
        var throttle = LogThrottle()
        let start = Instant(nanoseconds: 5)
        for _ in 0..<Limits.unauthorizedLogLines { #expect(throttle.admit(at: start) == 0) }
        for _ in 0..<1000 { #expect(throttle.admit(at: start + .seconds(59)) == nil) }
        #expect(throttle.admit(at: start + Limits.unauthorizedLogWindow) == 1000)
        #expect(throttle.admit(at: start + Limits.unauthorizedLogWindow) == 0)
    }
}
