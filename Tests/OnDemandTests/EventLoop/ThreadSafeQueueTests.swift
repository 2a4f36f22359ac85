import Synchronization
import Testing

@testable import OnDemand

struct ThreadSafeQueueTests {
    private let token = Token(WorkerToken.requests, index: 0, generation: 0)

    @Test("the wakeup is sent for the first message, and again only after a read")
    func oneRing() throws {
        let kernel = SimulatedKernel(seed: 1)
        let queue = ThreadSafeQueue<Int>(wakeup: try kernel.openWakeup())
        try kernel.watch(queue.wakeup, for: .edges, as: token)
        for message in 1...3 { queue.post(message, through: kernel) }
        #expect(kernel.wait(until: kernel.now()) == 1 && kernel.event(at: 0).token == token)
        #expect(kernel.wait(until: kernel.now()) == 0)
        queue.post(4, through: kernel)
        #expect(
            kernel.wait(until: kernel.now()) == 0, "a thread with a pending wakeup gets no second one")
        #expect(queue.takeAll() == [1, 2, 3, 4])
        #expect(queue.takeAll() == [])
        queue.post(5, through: kernel)
        #expect(kernel.wait(until: kernel.now()) == 1)
        #expect(queue.takeAll() == [5])
    }

    @Test("across real threads every message arrives once, in its sender's order, and no wakeup is lost")
    func acrossThreads() throws {
        let kernel = try LinuxKernel()
        let queue = ThreadSafeQueue<(Int, Int)>(wakeup: try kernel.openWakeup())
        defer { kernel.close(queue.wakeup) }
        try kernel.watch(queue.wakeup, for: .edges, as: token)
        let (senders, count) = (3, 20_000)
        let threads = try (0..<senders).map { sender in
            let own = Sender(kernel: try kernel.forWorkerThread())
            return try LinuxThread.start(named: "sender-\(sender)") {
                for number in 0..<count { queue.post((sender, number), through: own.kernel) }
            }
        }
        var next = Array(repeating: 0, count: senders)
        let deadline = kernel.now() + .seconds(30)
        while next.contains(where: { $0 < count }), kernel.now() < deadline {
            _ = kernel.wait(until: deadline)
            for (sender, number) in queue.takeAll() {
                #expect(next[sender] == number)
                next[sender] += 1
            }
        }
        #expect(next == Array(repeating: count, count: senders))
        for thread in threads { thread.join() }
    }

    /// Used by one thread only.
    private final class Sender: @unchecked Sendable {
        let kernel: LinuxKernel

        init(kernel: LinuxKernel) { self.kernel = kernel }
    }
}
