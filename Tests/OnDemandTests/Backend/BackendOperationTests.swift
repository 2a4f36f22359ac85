import Testing

@testable import OnDemand

private typealias Stop = BackendMachine.Stop

private let (one, two) = (Ticket(number: 1), Ticket(number: 2))
private let first = Generation(number: 1)

/// How a backend responds to the operations of an operator.
@Suite struct BackendOperationTests {
    private let alwaysOn = BackendPolicy(alwaysOn: true)

    @Test("trap P9: a backend started by an operation, without clients, has an idle timer from its readiness on")
    func startedByHand() {
        var machine = BackendFixtures.asleep().after(.operation(.start), .addressFree, .spawned)
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 0), .arm(.idle, at: noon + .seconds(60))])
    }

    @Test("a start operation during or after a start changes nothing")
    func startTwice() {
        for machine in [BackendFixtures.checking(), BackendFixtures.probing(), BackendFixtures.awake()] {
            var same = machine
            #expect(same.apply(.operation(.start), at: noon) == [])
            #expect(same.state == machine.state)
        }
    }

    @Test("a start operation during a stop causes a start after it, whatever the reason of the stop, without backoff")
    func startWhileStopping() {
        for machine in [
            BackendFixtures.stopping(), BackendFixtures.failing(), BackendFixtures.awake().after(.operation(.stop)),
        ] {
            var stopping = machine.after(.operation(.start))
            #expect(stopping.apply(.treeGone, at: noon).last == .checkAddress)
        }
        #expect(BackendFixtures.failing().after(.operation(.start)).failures == 2)
    }

    @Test("a start operation ends a backoff at once")
    func startWhileResting() {
        var machine = BackendFixtures.backoff()
        #expect(machine.apply(.operation(.start), at: noon) == [.disarm(.backoffTimer), .checkAddress])
    }

    @Test("a stop operation closes the gate, closes the tunnels, and then ends the process")
    func stop() {
        var machine = BackendFixtures.awake()
        #expect(
            machine.apply(.operation(.stop), at: noon) == [
                .disarm(.idle), .closeGate, .closeTunnels(first, .goingAway, over: .seconds(1)),
                .arm(.stopStep, at: noon + .seconds(10)),
            ])
        let stop = machine.apply(.tunnelsDrained(first), at: noon)
        #expect(stop == [.signal(.terminate), .arm(.stopStep, at: noon + .seconds(10))])
        #expect(machine.after(.exited(.status(0)), .treeGone).state == .asleep)
    }

    @Test("a request during a operator's stop is queued for the next start")
    func arrivalDuringStop() {
        var machine = BackendFixtures.awake().after(
            .operation(.stop), .wanted(two), .tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.treeGone, at: noon).last == .checkAddress)
        #expect(machine.queueLength == 1)
    }

    @Test("a stop operation during a start rejects the queued requests")
    func stopWhileStarting() {
        let told = BackendMachine.Effect.refuse([one], .stopped, retryAfter: .seconds(1))
        var checking = BackendFixtures.checking()
        #expect(checking.apply(.operation(.stop), at: noon) == [.stopProbing, told])
        #expect(checking.state == .asleep)
        var probing = BackendFixtures.probing()
        let effects = probing.apply(.operation(.stop), at: noon)
        #expect(
            effects == [
                .stopProbing, .disarm(.startup), told, .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
            ])
    }

    @Test("an always-on backend stays stopped until a request, and is always on again afterwards")
    func stopAlwaysOn() {
        var machine = BackendFixtures.awake(alwaysOn).after(
            .operation(.stop), .tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.treeGone, at: noon) == [.disarm(.stopStep), .endGeneration(first)])
        #expect(machine.apply(.wanted(two), at: noon) == [.checkAddress])
        #expect(machine.standing == .usual)
    }

    @Test("a restart closes tunnels with the code for a restart, and starts again without a queued request")
    func restart() {
        var machine = BackendFixtures.awake()
        let effects = machine.apply(.operation(.restart), at: noon)
        #expect(effects.contains(.closeTunnels(first, .restarts, over: .seconds(1))))
        machine = machine.after(.tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.treeGone, at: noon).last == .checkAddress)
    }

    @Test("a restart during a start keeps the queued requests")
    func restartWhileStarting() {
        var machine = BackendFixtures.probing().after(.operation(.restart), .exited(.signal(15)))
        #expect(machine.queueLength == 1)
        _ = machine.apply(.treeGone, at: noon)
        machine = machine.after(.addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon).last == .admit([one], Generation(number: 2)))
    }

    @Test("a stop operation replaces a pending restart")
    func stopAfterRestart() {
        let machine = BackendFixtures.awake().after(
            .operation(.restart), .operation(.stop), .exited(.status(0)), .treeGone)
        #expect(machine.state == .asleep)
    }

    @Test("a pinned backend has no idle timer until it is unpinned")
    func pin() {
        var machine = BackendFixtures.awake()
        #expect(machine.apply(.operation(.pin), at: noon) == [.disarm(.idle)])
        #expect(machine.apply(.lastLeaseReturned(first), at: noon) == [])
        #expect(machine.apply(.operation(.unpin), at: noon) == [.arm(.idle, at: noon + .seconds(60))])
        #expect(machine.apply(.operation(.unpin), at: noon) == [], "a second time moves no clock")
    }

    @Test("a pinned backend restarts after a crash and after a backoff")
    func pinnedComesBack() {
        var machine = BackendFixtures.awake().after(.operation(.pin), .exited(.status(1)))
        #expect(machine.apply(.treeGone, at: noon).last == .checkAddress)
        machine = machine.after(.addressTaken)
        #expect(machine.apply(.timerFired(.backoffTimer), at: noon) == [.checkAddress])
    }

    @Test("a stop and a disable operation remove the pin", arguments: [BackendOperation.stop, .disable])
    func unpinnedByStop(operation: BackendOperation) {
        let machine = BackendFixtures.awake().after(
            .operation(.pin), .operation(operation), .exited(.status(0)), .treeGone)
        #expect(machine.state == .asleep)
    }

    @Test("a disable operation rejects all requests at once, queued ones included, and stops the backend")
    func disable() {
        var machine = BackendFixtures.stopping().after(.wanted(one))
        #expect(machine.apply(.operation(.disable), at: noon) == [.refuse([one], .disabled, retryAfter: nil)])
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        _ = machine.apply(.treeGone, at: noon)
        #expect(machine.state == .asleep)
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        for operation in [BackendOperation.start, .restart, .pin, .unpin, .stop] {
            #expect(machine.apply(.operation(operation), at: noon) == [])
            #expect(machine.standing == .disabled)
        }
    }

    @Test("a failure while the backend is disabled causes no backoff")
    func disabledFailure() {
        let machine = BackendFixtures.failing().after(.operation(.disable), .treeGone)
        #expect(machine.state == .asleep)
        #expect(BackendFixtures.backoff().after(.operation(.disable)).state == .asleep)
    }

    @Test("an enabled backend can be woken, and an always-on one starts by itself")
    func enable() {
        #expect(BackendFixtures.asleep().after(.operation(.disable), .operation(.enable)).state == .asleep)
        var machine = BackendMachine(policy: alwaysOn, standing: .disabled)
        #expect(machine.apply(.startRequested, at: noon) == [])
        #expect(machine.apply(.operation(.enable), at: noon) == [.checkAddress])
    }

    @Test("a backend in shutdown accepts no operation")
    func leaving() {
        for operation in BackendOperation.allCases {
            for machine in [BackendFixtures.leaving(), BackendFixtures.shuttingDown()] {
                var same = machine
                #expect(same.apply(.operation(operation), at: noon) == [])
                #expect(same.state == machine.state)
            }
        }
    }
}
