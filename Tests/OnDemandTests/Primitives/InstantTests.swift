import Testing

@testable import OnDemand

struct InstantTests {
    private let late = Instant(nanoseconds: .max - 5)

    @Test("an instant beyond the end of the clock is its end, so that a very long duration is endless")
    func saturation() {
        #expect(late + .nanoseconds(5) == Instant(nanoseconds: .max))
        #expect(late + .nanoseconds(6) == Instant(nanoseconds: .max))
        #expect(late + .seconds(Int64.max) == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: 0) + .seconds(Int64.max) == Instant(nanoseconds: .max))
    }

    @Test("instants are ordered by time, and their difference is a duration")
    func arithmetic() {
        let (early, later) = (Instant(nanoseconds: 1_000), Instant(nanoseconds: 2_500))
        #expect(early < later)
        #expect(later - early == .nanoseconds(1_500))
        #expect(early - later == .nanoseconds(-1_500))
        #expect(early + (later - early) == later)
        #expect(later + .nanoseconds(-1_500) == early)
    }

    @Test("a duration in nanoseconds is exact to the last one that fits, and saturated beyond")
    func wholeNanoseconds() {
        #expect(Duration.nanoseconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.seconds(9_223_372_036).wholeNanoseconds == 9_223_372_036_000_000_000)
        #expect((Duration.nanoseconds(Int64.max) + .nanoseconds(1)).wholeNanoseconds == .max)
        #expect((Duration.seconds(9_223_372_036) + .milliseconds(900)).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.nanoseconds(-1).wholeNanoseconds == -1)
    }

    @Test(
        "Retry-After is never shorter than the wait",
        arguments: [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
    func secondsRoundedUp(milliseconds: Int64, seconds: Int64) {
        #expect(Duration.milliseconds(milliseconds).secondsRoundedUp == seconds)
    }

    @Test("the longest duration can be printed in seconds")
    func longest() {
        #expect(Duration.seconds(Int64.max).secondsRoundedUp > 0)
    }
}
