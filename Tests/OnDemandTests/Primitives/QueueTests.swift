import Testing

@testable import OnDemand

struct QueueTests {
    @Test("a queue gives back what it got, in order, whatever the order of calls", arguments: 0..<20 as Range<UInt64>)
    func order(seed: UInt64) {
        var random = Seeded(seed: seed)
        var (queue, model) = (Queue<Int>(), [Int]())
        for number in 0..<2000 {
            if model.isEmpty || Int.random(in: 0..<100, using: &random) < (number / 200 % 2 == 0 ? 60 : 40) {
                queue.append(number)
                model.append(number)
            } else {
                #expect(queue.removeFirst() == model.removeFirst())
            }
            if number % 7 == 0, !model.isEmpty {
                queue.changeLast { $0 += 1 }
                model[model.count - 1] += 1
            }
            #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
            #expect(queue.first == model.first && queue.last == model.last && Array(queue.all) == model)
        }
        #expect(queue == Queue(model))
        #expect(queue.takeAll() == model && queue.isEmpty && queue.popFirst() == nil)
    }
}
