import Testing

@testable import OnDemand

private let (one, two) = (Ticket(number: 1), Ticket(number: 2))
private let first = Generation(number: 1)

/// A process that is alive and does not listen.
struct BackendListenerTests {
    private let lost = BackendFixtures.awake().after(.listenerMissing(two, first, wasSent: false))

    @Test("the request is queued again, and the process is probed for the rest of its startup timeout")
    func waitsAgain() {
        var machine = BackendFixtures.awake()
        let effects = machine.apply(.listenerMissing(two, first, wasSent: true), at: noon + .seconds(10))
        #expect(effects == [.disarm(.idle), .suspendGate, .arm(.startup, at: noon + .seconds(30)), .probeAgain])
        #expect(machine.queueLength == 1)
    }

    @Test("a process that has been ready for longer gets another startup timeout")
    func reexec() {
        var machine = BackendFixtures.awake()
        let late = noon + .seconds(3600)
        let effects = machine.apply(.listenerMissing(two, first, wasSent: false), at: late)
        #expect(effects.contains(.arm(.startup, at: late + .seconds(30))))
    }

    @Test("a process that resets each request does not restart its startup timeout endlessly")
    func resets() {
        var machine = BackendFixtures.awake()
        let effects = machine.apply(.listenerMissing(two, first, wasSent: true), at: noon + .seconds(30))
        #expect(effects == [.refuse([two], .startTimedOut(after: .seconds(30)), retryAfter: .seconds(1))])
    }

    @Test("the same generation continues when the process listens again")
    func listensAgain() {
        var machine = lost
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 1), .admit([two], first)])
        #expect(machine.state == .awake(since: noon))
    }

    @Test("an exit instead is a crash, and the request that may have caused it is not retried")
    func crash() {
        var machine = lost.after(.listenerMissing(one, first, wasSent: true))
        let effects = machine.apply(.exited(.signal(11)), at: noon)
        #expect(effects.contains(.refuse([one], .exitedEarly(.signal(11)), retryAfter: .seconds(1))))
        #expect(effects.contains(.closeGateByForce))
        machine = machine.after(.treeGone)
        guard case .starting(let start) = machine.state else {
            Issue.record("\(machine.state) although a client waits and a first crash is forgiven")
            return
        }
        #expect(start.queue == [two])
    }

    @Test("a request that found no listener at an earlier generation enters the current one")
    func laterGeneration() {
        var machine = BackendFixtures.stopping().after(
            .wanted(one), .treeGone, .addressFree, .spawned, .probeSucceeded)
        let effects = machine.apply(.listenerMissing(two, first, wasSent: false), at: noon)
        #expect(effects == [.enterGate, .admit([two], Generation(number: 2))])
    }
}

struct BackendGateReopeningTests {
    @Test("a gate that reopens for the same generation keeps its leases")
    func keeps() {
        let gate = BackendGate()
        gate.open(first, leases: 2)
        gate.close()
        gate.open(first, leases: 1)
        #expect(gate.leases == 3)
        #expect(!gate.leave(first) && !gate.leave(first) && gate.leave(first))
    }

    @Test("a gate that opens for another generation has no lease of the last one")
    func forgets() {
        let gate = BackendGate()
        gate.open(first, leases: 2)
        gate.close()
        gate.open(first.next, leases: 1)
        #expect(gate.leases == 1)
    }
}
