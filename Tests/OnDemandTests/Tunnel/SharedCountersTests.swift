import Testing

@testable import OnDemand

struct SharedCountersTests {
    @Test("the other thread reads each increment once, and both start again at zero")
    func counters() {
        let counters = SharedCounters()
        var (onWorkers, total) = ([Traffic(), Traffic()], [Traffic()])
        counters.enter(&onWorkers)
        counters.merge(into: &total)
        #expect(total == [Traffic()])
        for _ in 1...3 {
            onWorkers[1].fromClients.bytes += 10
            onWorkers[1].fromClients.messages += 1
            onWorkers[1].fromBackend.pings += 1
            onWorkers[1].countClose(1000)
            counters.enter(&onWorkers)
            #expect(onWorkers == [Traffic(), Traffic()])
        }
        total[0].tunnels = 7
        counters.merge(into: &total)
        counters.merge(into: &total)
        #expect(total.count == 2 && total[0].tunnels == 7)
        #expect(total[1].fromClients.bytes == 30 && total[1].fromClients.messages == 3)
        #expect(total[1].fromBackend.pings == 3)
        #expect(total[1].closeCodes == [.init(code: 1000, count: 3)])
    }
}
