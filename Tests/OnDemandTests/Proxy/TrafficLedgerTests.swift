import Testing

@testable import OnDemand

struct TrafficLedgerTests {
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
}
