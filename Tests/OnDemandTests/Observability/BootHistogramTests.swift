import Testing

@testable import OnDemand

@Suite struct BootHistogramTests {
    @Test("a boot counts for its own step and for all that are longer")
    func steps() {
        var boots = BootHistogram()
        #expect(boots.count == 0 && boots.upToBounds.allSatisfy { $0 == 0 })
        for milliseconds in [0, 50, 51, 999, 60_000, 60_001] { boots.record(.milliseconds(milliseconds)) }
        #expect(boots.upToBounds == [2, 3, 3, 3, 4, 4, 4, 4, 4, 5])
        #expect(boots.count == 6)
        #expect(boots.total == .milliseconds(121_101))
    }

    @Test("bounds grow, so that their counts do")
    func bounds() {
        #expect(zip(BootHistogram.bounds, BootHistogram.bounds.dropFirst()).allSatisfy { $0 < $1 })
    }
}
