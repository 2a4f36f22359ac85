import Testing

@testable import OnDemand

/// What is known of how long a start takes.
@Suite struct StartupTimesTests {
    private func times(_ milliseconds: Int...) -> StartupTimes {
        var times = StartupTimes()
        for count in milliseconds { times.record(.milliseconds(count)) }
        return times
    }

    @Test("the median is the middle of the last twenty, and older ones are forgotten")
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

    @Test("a start is slow at three medians, not before something is known, and never within half a second")
    func slow() {
        #expect(times(700, 700).slowAfter == nil)
        #expect(times(700, 600, 900).slowAfter == .milliseconds(2100))
        #expect(times(5, 6, 7).slowAfter == .milliseconds(500))
    }

    @Test("the quickest boot is known from the third on")
    func quickest() {
        #expect(times(700, 600).quickest == nil)
        #expect(times(700, 600, 900).quickest == .milliseconds(600))
    }

    @Test("a client is told to come back when the start is usually over, and not sooner than in a second")
    func retry() {
        #expect(times(8000).retryAfter(elapsed: .seconds(3)) == .seconds(5))
        #expect(times(8000).retryAfter(elapsed: .seconds(9)) == .seconds(1))
        #expect(times().retryAfter(elapsed: .zero) == .seconds(1))
    }
}
