import Testing

@testable import OnDemand

@Suite struct CountersTests {
    @Test("each event is counted separately, and zero counts are reported")
    func counts() {
        var tally = Counters<WakeCause>()
        tally[.request] += 2
        tally[.required] += 1
        #expect(tally[.request] == 2 && tally[.upgrade] == 0)
        #expect(
            tally.all.map(\.name) == [
                "upgrade", "request", "command", "subscription", "operator", "always_on", "required",
            ])
        #expect(tally.all.map(\.count) == [0, 2, 0, 0, 0, 0, 1])
    }
}
