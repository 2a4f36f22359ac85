import Testing

@testable import OnDemand

/// Statistics of the startup times.
@Suite struct StartupTimesTests {
    private func times(_ milliseconds: Int...) -> StartupTimes {
        var times = StartupTimes()
        for count in milliseconds { times.record(.milliseconds(count)) }
        return times
    }

    @Test("the median is that of the last twenty startups")
    func median() {
        #expect(times().median == nil)
        #expect(times(700).median == .milliseconds(700))
        #expect(times(700, 100, 9000).median == .milliseconds(700))
        var many = times(9000, 9000, 9000)
        for _ in 0..<StartupTimes.remembered { many.record(.milliseconds(5)) }
        #expect(
            many
                == {
                    var few = StartupTimes()
                    for _ in 0..<20 { few.record(.milliseconds(5)) }
                    return few
                }())
    }

    @Test("a startup is slow at three medians, not without data, and never within 500 ms")
    func slow() {
        #expect(times(700, 700).slowAfter == nil)
        #expect(times(700, 600, 900).slowAfter == .milliseconds(2100))
        #expect(times(5, 6, 7).slowAfter == .milliseconds(500))
    }

    @Test("the usual startup is known from the third on: the quickest, and the median")
    func usual() {
        #expect(times(700, 600).usual == nil)
        let usual = times(700, 600, 900).usual
        #expect(usual == UsualStartup(quickest: .milliseconds(600), median: .milliseconds(700)))
    }

    @Test("Retry-After is the rest of the usual startup, and at least one second")
    func retry() {
        #expect(times(8000).retryAfter(elapsed: .seconds(3)) == .seconds(5))
        #expect(times(8000).retryAfter(elapsed: .seconds(9)) == .seconds(1))
        #expect(times().retryAfter(elapsed: .zero) == .seconds(1))
    }
}
