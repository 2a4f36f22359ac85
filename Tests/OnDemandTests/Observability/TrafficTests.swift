import Testing

@testable import OnDemand

struct TrafficTests {
    @Test("close codes are counted one by one up to a bound, and together beyond it")
    func closeCodes() {
        var traffic = Traffic()
        for code in 4000..<4100 as Range<UInt16> { traffic.noteClose(code) }
        traffic.noteClose(4000)
        #expect(traffic.closeCodes.count == Limits.closeCodesCounted)
        #expect(traffic.closeCodes[0] == .init(code: 4000, count: 2))
        #expect(traffic.otherCloses == UInt64(100 - Limits.closeCodesCounted))
    }
}
