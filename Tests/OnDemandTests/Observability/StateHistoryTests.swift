import Testing

@testable import OnDemand

@Suite struct StateHistoryTests {
    private let monday: Int64 = 1_795_000_000

    private func minute(_ minutes: Int64) -> Int64 { monday + 60 * minutes }

    @Test("intervals are adjacent, and an unchanged state begins none")
    func intervals() {
        var day = StateHistory()
        day.entered(.asleep, at: minute(0))
        day.entered(.starting, at: minute(1))
        day.entered(.starting, at: minute(2))
        day.entered(.awake, at: minute(3))
        #expect(day.intervals.map(\.state) == [.asleep, .starting, .awake])
        #expect(day.intervals.map(\.since) == [minute(0), minute(1), minute(3)])
    }

    @Test("intervals older than a day are removed, and those that reach into the day stay")
    func yesterday() {
        var day = StateHistory()
        day.entered(.asleep, at: minute(0))
        day.entered(.awake, at: minute(10))
        day.entered(.asleep, at: minute(20))
        day.entered(.awake, at: minute(24 * 60 + 15))
        #expect(day.intervals.map(\.since) == [minute(10), minute(20), minute(24 * 60 + 15)])
        #expect(day.completed(at: minute(24 * 60 + 20)).intervals.count == 2)
        #expect(day.completed(at: minute(90 * 60)).intervals.map(\.state) == [.awake])
    }

    @Test("a busy service uses no more than its limit of memory")
    func restless() {
        var day = StateHistory()
        for change in 0..<5000 {
            day.entered(change.isMultiple(of: 2) ? .asleep : .awake, at: monday + Int64(change))
        }
        #expect(day.intervals.count == Limits.historyIntervals)
        #expect(day.intervals.last?.since == monday + 4999)
    }

    @Test("after the clock is set back, future intervals end now, and times never decrease")
    func setBack() {
        var day = StateHistory()
        day.entered(.asleep, at: minute(0))
        day.entered(.starting, at: minute(50))
        day.entered(.awake, at: minute(60))
        #expect(day.completed(at: minute(55)).intervals.map(\.since) == [minute(0), minute(50), minute(55)])
        day.entered(.stopping, at: minute(-10_000))
        #expect(Set(day.intervals.map(\.since)) == [minute(-10_000)])
        day.entered(.asleep, at: minute(1))
        #expect(zip(day.intervals, day.intervals.dropFirst()).allSatisfy { $0.since <= $1.since })
    }

    @Test("a clock that is set far ahead ends the day, and the current state continues")
    func setAhead() {
        var day = StateHistory()
        day.entered(.asleep, at: 0)
        day.entered(.awake, at: 60)
        #expect(day.completed(at: monday).intervals == [.init(state: .awake, since: 60)])
        day.entered(.stopping, at: monday)
        #expect(day.intervals.map(\.state) == [.awake, .stopping])
    }

    @Test("the time between two daemons is unknown")
    func restored() {
        let states: [StateHistory.Interval] = [
            .init(state: .asleep, since: minute(0)), .init(state: .awake, since: minute(5)),
        ]
        var day = StateHistory.restored(states, savedAt: minute(7), at: minute(9))
        #expect(day.intervals.map(\.state) == [.asleep, .awake, nil])
        #expect(day.intervals.last?.since == minute(7))
        day.entered(.asleep, at: minute(9))
        #expect(day.intervals.last == .init(state: .asleep, since: minute(9)))
        #expect(StateHistory.restored([], savedAt: minute(0), at: minute(1)) == StateHistory())
        let ahead = StateHistory.restored(states, savedAt: minute(7), at: minute(-60))
        #expect(ahead.intervals.allSatisfy { $0.since == minute(-60) })
    }
}
