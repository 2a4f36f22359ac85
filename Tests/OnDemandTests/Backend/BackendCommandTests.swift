import Testing

@testable import OnDemand

private typealias Stop = BackendMachine.Stop

private let (one, two) = (Ticket(number: 1), Ticket(number: 2))
private let first = Generation(number: 1)

/// What becomes of a backend when an operator has a say.
@Suite struct BackendCommandTests {
    private let alwaysOn = BackendPolicy(alwaysOn: true)

    @Test("trap P9: what an operator started, and nobody visits, has an idle clock from the moment it is ready")
    func startedByHand() {
        var machine = BackendFixtures.asleep().after(.command(.start), .addressFree, .spawned)
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 0), .arm(.idle, at: noon + .seconds(60))])
    }

    @Test("a start changes nothing where one is under way, or has come to its end")
    func startTwice() {
        for machine in [BackendFixtures.checking(), BackendFixtures.probing(), BackendFixtures.awake()] {
            var same = machine
            #expect(same.apply(.command(.start), at: noon) == [])
            #expect(same.state == machine.state)
        }
    }

    @Test("a start during a stop follows it, whatever it was stopped for, and nobody waits for a rest")
    func startWhileStopping() {
        for machine in [
            BackendFixtures.stopping(), BackendFixtures.failing(), BackendFixtures.awake().after(.command(.stop)),
        ] {
            var stopping = machine.after(.command(.start))
            #expect(stopping.apply(.groupGone, at: noon).last == .checkAddress)
        }
        #expect(BackendFixtures.failing().after(.command(.start)).failures == 2)
    }

    @Test("a start ends a rest at once")
    func startWhileResting() {
        var machine = BackendFixtures.backoff()
        #expect(machine.apply(.command(.start), at: noon) == [.disarm(.backoffTimer), .checkAddress])
    }

    @Test("a stop closes the gate, tells the clients that are left, and then ends the process")
    func stop() {
        var machine = BackendFixtures.awake()
        #expect(
            machine.apply(.command(.stop), at: noon) == [
                .disarm(.idle), .closeGate, .closeTunnels(first, .goingAway, over: .seconds(1)),
                .arm(.stopStep, at: noon + .seconds(10)),
            ])
        let stop = machine.apply(.tunnelsDrained(first), at: noon)
        #expect(stop == [.signal(.terminate), .arm(.stopStep, at: noon + .seconds(10))])
        #expect(machine.after(.exited(.status(0)), .groupGone).state == .asleep)
    }

    @Test("who comes while it is being stopped by order waits for the next start")
    func arrivalDuringStop() {
        var machine = BackendFixtures.awake().after(
            .command(.stop), .wanted(two), .tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
        #expect(machine.queueLength == 1)
    }

    @Test("who waits for a start that an operator stops is told so")
    func stopWhileStarting() {
        let told = BackendMachine.Effect.refuse([one], .stopped, retryAfter: .seconds(1))
        var checking = BackendFixtures.checking()
        #expect(checking.apply(.command(.stop), at: noon) == [.stopProbing, told])
        #expect(checking.state == .asleep)
        var probing = BackendFixtures.probing()
        let effects = probing.apply(.command(.stop), at: noon)
        #expect(
            effects == [
                .stopProbing, .disarm(.startup), told, .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
            ])
    }

    @Test("what is always on stays stopped until it is asked for, and is then always on again")
    func stopAlwaysOn() {
        var machine = BackendFixtures.awake(alwaysOn).after(
            .command(.stop), .tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon) == [.disarm(.stopStep), .endGeneration(first)])
        #expect(machine.apply(.wanted(two), at: noon) == [.checkAddress])
        #expect(machine.standing == .usual)
    }

    @Test("a restart tells the clients that it is one, and starts again although nobody waits")
    func restart() {
        var machine = BackendFixtures.awake()
        let effects = machine.apply(.command(.restart), at: noon)
        #expect(effects.contains(.closeTunnels(first, .restarts, over: .seconds(1))))
        machine = machine.after(.tunnelsDrained(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
    }

    @Test("a restart during a start loses nobody who waits for it")
    func restartWhileStarting() {
        var machine = BackendFixtures.probing().after(.command(.restart), .exited(.signal(15)))
        #expect(machine.queueLength == 1)
        _ = machine.apply(.groupGone, at: noon)
        machine = machine.after(.addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon).last == .admit([one], Generation(number: 2)))
    }

    @Test("a stop takes a restart back")
    func stopAfterRestart() {
        let machine = BackendFixtures.awake().after(
            .command(.restart), .command(.stop), .exited(.status(0)), .groupGone)
        #expect(machine.state == .asleep)
    }

    @Test("what is pinned has no idle clock, and has one again when it is unpinned")
    func pin() {
        var machine = BackendFixtures.awake()
        #expect(machine.apply(.command(.pin), at: noon) == [.disarm(.idle)])
        #expect(machine.apply(.lastLeaseReturned(first), at: noon) == [])
        #expect(machine.apply(.command(.unpin), at: noon) == [.arm(.idle, at: noon + .seconds(60))])
        #expect(machine.apply(.command(.unpin), at: noon) == [], "a second time moves no clock")
    }

    @Test("what is pinned comes back after a crash and after a rest")
    func pinnedComesBack() {
        var machine = BackendFixtures.awake().after(.command(.pin), .exited(.status(1)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
        machine = machine.after(.addressTaken)
        #expect(machine.apply(.timerFired(.backoffTimer), at: noon) == [.checkAddress])
    }

    @Test("a stop and a disabling take the pin out", arguments: [BackendCommand.stop, .disable])
    func unpinnedByStop(command: BackendCommand) {
        let machine = BackendFixtures.awake().after(.command(.pin), .command(command), .exited(.status(0)), .groupGone)
        #expect(machine.state == .asleep)
    }

    @Test("what is disabled turns everybody away at once, whoever waits included, and is stopped")
    func disable() {
        var machine = BackendFixtures.stopping().after(.wanted(one))
        #expect(machine.apply(.command(.disable), at: noon) == [.refuse([one], .disabled, retryAfter: nil)])
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        _ = machine.apply(.groupGone, at: noon)
        #expect(machine.state == .asleep)
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        for command in [BackendCommand.start, .restart, .pin, .unpin, .stop] {
            #expect(machine.apply(.command(command), at: noon) == [])
            #expect(machine.standing == .disabled)
        }
    }

    @Test("what fails while it is disabled rests for nobody")
    func disabledFailure() {
        let machine = BackendFixtures.failing().after(.command(.disable), .groupGone)
        #expect(machine.state == .asleep)
        #expect(BackendFixtures.backoff().after(.command(.disable)).state == .asleep)
    }

    @Test("what is enabled again may be woken, and what is always on starts by itself")
    func enable() {
        #expect(BackendFixtures.asleep().after(.command(.disable), .command(.enable)).state == .asleep)
        var machine = BackendMachine(policy: alwaysOn, standing: .disabled)
        #expect(machine.apply(.startRequested, at: noon) == [])
        #expect(machine.apply(.command(.enable), at: noon) == [.checkAddress])
    }

    @Test("a daemon that leaves takes no orders")
    func leaving() {
        for command in BackendCommand.allCases {
            for machine in [BackendFixtures.leaving(), BackendFixtures.shuttingDown()] {
                var same = machine
                #expect(same.apply(.command(command), at: noon) == [])
                #expect(same.state == machine.state)
            }
        }
    }
}
