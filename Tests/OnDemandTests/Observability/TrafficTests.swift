import Testing

@testable import OnDemand

struct TrafficTests {
    @Test("what one thread enters the other finds once, added to what was there, and each begins anew")
    func ledger() {
        let ledger = TrafficLedger()
        var (carried, total) = ([Traffic(), Traffic()], [Traffic()])
        ledger.enter(&carried)
        ledger.settle(into: &total)
        #expect(total == [Traffic()])
        for _ in 1...3 {
            carried[1].fromClients.bytes += 10
            carried[1].fromClients.messages += 1
            carried[1].fromBackend.pings += 1
            carried[1].noteClose(1000)
            ledger.enter(&carried)
            #expect(carried == [Traffic(), Traffic()])
        }
        total[0].tunnels = 7
        ledger.settle(into: &total)
        ledger.settle(into: &total)
        #expect(total.count == 2 && total[0].tunnels == 7)
        #expect(total[1].fromClients.bytes == 30 && total[1].fromClients.messages == 3)
        #expect(total[1].fromBackend.pings == 3)
        #expect(total[1].closeCodes == [.init(code: 1000, count: 3)])
    }

    @Test("a sum knows no more codes than either, and loses no count")
    func sumOfCodes() {
        var (first, second) = (Traffic(), Traffic())
        for code in 4000..<4030 as Range<UInt16> { first.noteClose(code) }
        for code in 4020..<4080 as Range<UInt16> { second.noteClose(code) }
        first.add(second)
        #expect(first.closeCodes.count == Limits.closeCodesCounted)
        #expect(first.closeCodes.map(\.count).reduce(first.otherCloses, +) == 90)
    }

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
