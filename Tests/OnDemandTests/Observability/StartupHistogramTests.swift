import Testing

@testable import OnDemand

@Suite struct StartupHistogramTests {
    @Test("a startup counts in its bucket and in all larger ones")
    func steps() {
        var startups = StartupHistogram()
        #expect(startups.count == 0 && startups.upToBounds.allSatisfy { $0 == 0 })
        for milliseconds in [0, 50, 51, 999, 60_000, 60_001] { startups.record(.milliseconds(milliseconds)) }
        #expect(startups.upToBounds == [2, 3, 3, 3, 4, 4, 4, 4, 4, 5])
        #expect(startups.count == 6)
        #expect(startups.total == .milliseconds(121_101))
    }

    @Test("bounds grow, so that their counts do")
    func bounds() {
        #expect(zip(StartupHistogram.bounds, StartupHistogram.bounds.dropFirst()).allSatisfy { $0 < $1 })
    }
}
