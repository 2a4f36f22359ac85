import Testing

@testable import OnDemand

@Suite struct StateDayTests {
    private let monday: Int64 = 1_795_000_000

    private func minute(_ minutes: Int64) -> Int64 { monday + 60 * minutes }

    @Test("stretches follow one another, and a state that did not change begins none")
    func stretches() {
        var day = StateDay()
        day.entered("asleep", at: minute(0))
        day.entered("starting", at: minute(1))
        day.entered("starting", at: minute(2))
        day.entered("ready", at: minute(3))
        #expect(day.stretches.map(\.state) == ["asleep", "starting", "ready"])
        #expect(day.stretches.map(\.since) == [minute(0), minute(1), minute(3)])
    }

    @Test("what ended more than a day ago is forgotten, and what reaches into the day is kept")
    func yesterday() {
        var day = StateDay()
        day.entered("asleep", at: minute(0))
        day.entered("ready", at: minute(10))
        day.entered("asleep", at: minute(20))
        day.entered("ready", at: minute(24 * 60 + 15))
        #expect(day.stretches.map(\.since) == [minute(10), minute(20), minute(24 * 60 + 15)])
        #expect(day.settled(at: minute(24 * 60 + 20)).stretches.count == 2)
        #expect(day.settled(at: minute(90 * 60)).stretches.map(\.state) == ["ready"])
    }

    @Test("a service that never rests takes no more than its share of memory")
    func restless() {
        var day = StateDay()
        for change in 0..<5000 {
            day.entered(change.isMultiple(of: 2) ? "asleep" : "ready", at: monday + Int64(change))
        }
        #expect(day.stretches.count == Limits.historyStretches)
        #expect(day.stretches.last?.since == monday + 4999)
    }

    @Test("when the clock is set back, what seems to lie ahead has just happened; nothing ever runs backwards")
    func setBack() {
        var day = StateDay()
        day.entered("asleep", at: minute(0))
        day.entered("starting", at: minute(50))
        day.entered("ready", at: minute(60))
        #expect(day.settled(at: minute(55)).stretches.map(\.since) == [minute(0), minute(50), minute(55)])
        day.entered("stopping", at: minute(-10_000))
        #expect(Set(day.stretches.map(\.since)) == [minute(-10_000)])
        day.entered("asleep", at: minute(1))
        #expect(zip(day.stretches, day.stretches.dropFirst()).allSatisfy { $0.since <= $1.since })
    }

    @Test("a clock that is set far ahead ends the day, and the present state goes on")
    func setAhead() {
        var day = StateDay()
        day.entered("asleep", at: 0)
        day.entered("ready", at: 60)
        #expect(day.settled(at: monday).stretches == [.init(state: "ready", since: 60)])
        day.entered("stopping", at: monday)
        #expect(day.stretches.map(\.state) == ["ready", "stopping"])
    }

    @Test("between two daemons nobody knows anything")
    func restored() {
        let states: [StateDay.Stretch] = [
            .init(state: "asleep", since: minute(0)), .init(state: "ready", since: minute(5)),
        ]
        var day = StateDay.restored(states, savedAt: minute(7), at: minute(9))
        #expect(day.stretches.map(\.state) == ["asleep", "ready", StateDay.unknown])
        #expect(day.stretches.last?.since == minute(7))
        day.entered("asleep", at: minute(9))
        #expect(day.stretches.last == .init(state: "asleep", since: minute(9)))
        #expect(StateDay.restored([], savedAt: minute(0), at: minute(1)) == StateDay())
        let ahead = StateDay.restored(states, savedAt: minute(7), at: minute(-60))
        #expect(ahead.stretches.allSatisfy { $0.since == minute(-60) })
    }
}
