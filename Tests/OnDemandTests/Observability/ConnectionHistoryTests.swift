import Testing

@testable import OnDemand

@Suite struct ConnectionHistoryTests {
    /// The beginning of a step.
    private let noon: Int64 = 300 * 5_983_000

    private func minute(_ minutes: Int64) -> Int64 { noon + 60 * minutes }

    @Test("each step has the maximum of its connections, and quiet steps repeat the count")
    func peaks() {
        var day = ConnectionHistory()
        day.connected(3, at: minute(0))
        day.connected(7, at: minute(1))
        day.connected(2, at: minute(2))
        day.connected(0, at: minute(16))
        let told = day.completed(at: minute(24))
        #expect(told.peaks.count == ConnectionHistory.steps && ConnectionHistory.steps == 288)
        #expect(told.peaks.suffix(6) == [0, 7, 2, 2, 2, 0])
        #expect(told.latest == noon / 300 + 4)
    }

    @Test("after a day everything has expired, except open connections")
    func nextDay() {
        var day = ConnectionHistory()
        day.connected(9, at: minute(0))
        day.connected(1, at: minute(3))
        #expect(Set(day.completed(at: minute(48 * 60)).peaks) == [1])
        day.connected(0, at: minute(48 * 60))
        #expect(Set(day.completed(at: minute(96 * 60)).peaks) == [0])
    }

    @Test("without a client there is no history")
    func nobody() {
        var day = ConnectionHistory()
        day.connected(0, at: minute(0))
        #expect(day == ConnectionHistory() && day.completed(at: minute(5)) == day)
    }

    @Test("a clock that is set back moves the history, and the next step follows it")
    func setBack() {
        var day = ConnectionHistory()
        day.connected(5, at: minute(60))
        day.connected(6, at: minute(-1000))
        #expect(day.peaks.suffix(2) == [0, 6])
        day.connected(0, at: minute(-994))
        #expect(day.peaks.suffix(3) == [0, 6, 6] && day.peaks.count == 288)
    }

    @Test("connections of an earlier daemon are closed")
    func restored() {
        let peaks = Array(repeating: UInt32(0), count: 287) + [4]
        let day = ConnectionHistory.restored(peaks, latest: noon / 300, at: minute(11))
        #expect(day.peaks.suffix(4) == [0, 4, 0, 0])
    }
}
