import Testing

@testable import OnDemand

struct ArrivalQueueTests {
    @Test("values leave in the order in which they came, whatever comes meanwhile", arguments: 0..<20)
    func order(seed: Int) {
        var random = Seeded(seed: UInt64(seed))
        var queue = ArrivalQueue<Int>()
        var model: [Int] = []
        for number in 0..<2000 {
            if random.chance(seed % 2 == 0 ? 55 : 45) {
                queue.append(number)
                model.append(number)
            } else {
                let first = queue.popFirst()
                #expect(first == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
            guard random.chance(1) else { continue }
            let all = queue.takeAll()
            #expect(all == model)
            model = []
        }
    }
}
