import Testing

@testable import OnDemand

struct TrafficTests {
    @Test("a sum has no more codes than its limit, and loses no count")
    func sumOfCodes() {
        var (first, second) = (Traffic(), Traffic())
        for code in 4000..<4030 as Range<UInt16> { first.countClose(code) }
        for code in 4020..<4080 as Range<UInt16> { second.countClose(code) }
        second.move(into: &first)
        #expect(second == Traffic())
        #expect(first.closeCodes.count == Limits.closeCodesCounted)
        #expect(first.closeCodes.map(\.count).reduce(first.otherCloses, +) == 90)
    }

    @Test("close codes are counted one by one up to a limit, and together beyond it")
    func closeCodes() {
        var traffic = Traffic()
        for code in 4000..<4100 as Range<UInt16> { traffic.countClose(code) }
        traffic.countClose(4000)
        #expect(traffic.closeCodes.count == Limits.closeCodesCounted)
        #expect(traffic.closeCodes[0] == .init(code: 4000, count: 2))
        #expect(traffic.otherCloses == UInt64(100 - Limits.closeCodesCounted))
    }
}
