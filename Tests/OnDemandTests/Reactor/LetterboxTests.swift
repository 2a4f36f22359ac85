import Synchronization
import Testing

@testable import OnDemand

struct LetterboxTests {
    private let token = Token(.bell, index: 0, generation: 0)

    @Test("the bell is rung for the first message, and again only once somebody has looked")
    func oneRing() throws {
        let kernel = SimulatedKernel(seed: 1)
        let letterbox = Letterbox<Int>(bell: try kernel.openBell())
        try kernel.watch(letterbox.bell, for: .edges, as: token)
        for message in 1...3 { letterbox.post(message, through: kernel) }
        #expect(kernel.wait(until: kernel.now()) == 1 && kernel.event(at: 0).token == token)
        #expect(kernel.wait(until: kernel.now()) == 0)
        letterbox.post(4, through: kernel)
        #expect(
            kernel.wait(until: kernel.now()) == 0, "whoever has been called and has not come yet is not called again")
        #expect(letterbox.takeAll() == [1, 2, 3, 4])
        #expect(letterbox.takeAll() == [])
        letterbox.post(5, through: kernel)
        #expect(kernel.wait(until: kernel.now()) == 1)
        #expect(letterbox.takeAll() == [5])
    }

    @Test("across real threads every message arrives once and in its sender's order, and no ring is missed")
    func acrossThreads() throws {
        let kernel = try LinuxKernel()
        let letterbox = Letterbox<(Int, Int)>(bell: try kernel.openBell())
        defer { kernel.close(letterbox.bell) }
        try kernel.watch(letterbox.bell, for: .edges, as: token)
        let (senders, count) = (3, 20_000)
        let threads = try (0..<senders).map { sender in
            let own = Sender(kernel: try kernel.forAnotherThread())
            return try LinuxThread.start(named: "sender-\(sender)") {
                for number in 0..<count { letterbox.post((sender, number), through: own.kernel) }
            }
        }
        var next = Array(repeating: 0, count: senders)
        let deadline = kernel.now() + .seconds(30)
        while next.contains(where: { $0 < count }), kernel.now() < deadline {
            _ = kernel.wait(until: deadline)
            for (sender, number) in letterbox.takeAll() {
                #expect(next[sender] == number)
                next[sender] += 1
            }
        }
        #expect(next == Array(repeating: count, count: senders))
        for thread in threads { thread.join() }
    }

    /// One thread's alone, once that runs.
    private final class Sender: @unchecked Sendable {
        let kernel: LinuxKernel

        init(kernel: LinuxKernel) { self.kernel = kernel }
    }
}
