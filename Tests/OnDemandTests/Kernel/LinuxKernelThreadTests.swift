import Glibc
import Synchronization
import Testing

@testable import OnDemand

struct LinuxKernelThreadTests {
    @Test("a thread has its name, runs once, and can be joined")
    func thread() throws {
        let runs = Atomic(0)
        let name = Mutex("")
        let thread = try LinuxThread.start(named: "a name that is longer") {
            runs.add(1, ordering: .relaxed)
            // Its creator names it, possibly a little later.
            while true {
                let text = contents("/proc/thread-self/comm")
                guard text.hasPrefix("a name") else { continue }
                return name.withLock { $0 = text }
            }
        }
        thread.join()
        #expect(runs.load(ordering: .relaxed) == 1)
        #expect(name.withLock { $0 } == "a name that is \n")
    }

    @Test("each view receives the events of its own descriptors, and the wakeup of another one")
    func views() throws {
        let first = try KernelHarness()
        let second = try first.kernel.forWorkerThread()
        let (client, server, _) = try first.pair()
        defer { [client, server].forEach(first.kernel.close) }
        let wakeup = try first.kernel.openWakeup()
        defer { first.kernel.close(wakeup) }
        let (ofSocket, ofBell) = (
            Token(ConnectionToken.client, index: 1, generation: 1), Token(WorkerToken.requests, index: 0, generation: 0)
        )
        try second.watch(server, for: .edges, as: ofSocket)
        try second.watch(wakeup, for: .edges, as: ofBell)
        while second.wait(until: second.now()) > 0 {}
        for _ in 1...3 {
            first.kernel.signalWakeup(wakeup)
            #expect(first.kernel.wait(until: first.kernel.now()) == 0)
            #expect(second.wait(until: second.now() + .seconds(2)) == 1)
            #expect(second.event(at: 0).token == ofBell)
            #expect(second.wait(until: second.now()) == 0, "reported once, although it is unread")
        }
        #expect(first.kernel.send([1].span, to: client) == .bytes(1))
        #expect(second.wait(until: second.now() + .seconds(2)) == 1)
        #expect(second.event(at: 0).token == ofSocket)
    }

    @Test("a descriptor that is ready before another thread watches it is reported there")
    func handedOver() throws {
        let first = try KernelHarness()
        let (client, server, _) = try first.pair()
        defer { [client, server].forEach(first.kernel.close) }
        let token = Token(ConnectionToken.client, index: 1, generation: 1)
        try first.kernel.watch(server, for: .edges, as: token)
        #expect(first.kernel.send([1].span, to: client) == .bytes(1))
        first.kernel.endSending(on: client)
        _ = first.events { $0[token]?.contains(.peerEnded) == true }
        first.kernel.unwatch(server)
        let second = try first.kernel.forWorkerThread()
        try second.watch(server, for: .edges, as: token)
        #expect(second.wait(until: second.now() + .seconds(2)) == 1)
        #expect(second.event(at: 0).readiness.isSuperset(of: [.readable, .writable, .peerEnded]))
    }
}

private func contents(_ path: String) -> String {
    String(decoding: ProcFile.bytes(of: path) ?? [], as: UTF8.self)
}
