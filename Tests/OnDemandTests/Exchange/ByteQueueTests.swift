import Testing

@testable import OnDemand

struct ByteQueueTests {
    private func bytes(of queue: ByteQueue) -> [UInt8] {
        queue.withSpan { span in span.indices.map { span[$0] } }
    }

    @Test("bytes leave the queue in their order, in any portions")
    func order() {
        var generator = Seeded(seed: 3)
        var queue = ByteQueue()
        var model: [UInt8] = []
        for step in 0..<2_000 {
            if Bool.random(using: &generator) {
                let more = (0..<Int.random(in: 0...9, using: &generator)).map { UInt8(truncatingIfNeeded: step + $0) }
                queue.append(more[...])
                model += more
            } else {
                let count = Int.random(in: 0...model.count, using: &generator)
                queue.removeFirst(count)
                model.removeFirst(count)
            }
            #expect(bytes(of: queue) == model)
            #expect(queue.count == model.count)
            #expect(queue.isEmpty == model.isEmpty)
        }
    }

    @Test("removed bytes need no memory, even when the queue is never empty")
    func bounded() {
        var queue = ByteQueue([0])
        for _ in 0..<1_000 {
            queue.append([UInt8](repeating: 1, count: 100))
            queue.removeFirst(100)
        }
        #expect(queue.count == 1)
        let stored = Mirror(reflecting: queue).children.first { $0.label == "bytes" }?.value as? [UInt8]
        #expect(stored.map { $0.count <= 1_000 } == true)
    }

    @Test("an emptied queue equals a new one")
    func emptied() {
        var queue = ByteQueue([1, 2, 3])
        queue.removeFirst(3)
        #expect(queue == ByteQueue())
        queue.append([4])
        queue.removeAll()
        #expect(queue == ByteQueue())
    }

    @Test("a queue can start with a part of a buffer")
    func slice() {
        let buffer: [UInt8] = [1, 2, 3, 4]
        #expect(bytes(of: ByteQueue(buffer[1..<3])) == [2, 3])
    }

    @Test("a removal of more bytes than present traps")
    func tooMuch() async {
        await #expect(processExitsWith: .failure) {
            var queue = ByteQueue([1])
            queue.removeFirst(2)
        }
    }
}
