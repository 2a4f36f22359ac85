import Testing

@testable import OnDemand

private typealias Stop = BackendMachine.Stop

private let (one, two) = (Ticket(number: 1), Ticket(number: 2))
private let first = Generation(number: 1)

/// What becomes of a backend when an operator has a say.
@Suite struct BackendOrderTests {
    private let alwaysOn = BackendPolicy(alwaysOn: true)

    @Test("trap P9: what an operator started, and nobody visits, has an idle clock from the moment it is ready")
    func startedByHand() {
        var machine = Lives.asleep().after(.ordered(.start), .addressFree, .spawned)
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 0), .arm(.idle, at: noon + .seconds(60))])
    }

    @Test("a start changes nothing where one is under way, or has come to its end")
    func startTwice() {
        for machine in [Lives.checking(), Lives.probing(), Lives.ready()] {
            var same = machine
            #expect(same.apply(.ordered(.start), at: noon) == [])
            #expect(same.state == machine.state)
        }
    }

    @Test("a start during a stop follows it, whatever it was stopped for, and nobody waits for a rest")
    func startWhileStopping() {
        for machine in [Lives.stopping(), Lives.failing(), Lives.ready().after(.ordered(.stop))] {
            var stopping = machine.after(.ordered(.start))
            #expect(stopping.apply(.groupGone, at: noon).last == .checkAddress)
        }
        #expect(Lives.failing().after(.ordered(.start)).failures == 2)
    }

    @Test("a start ends a rest at once")
    func startWhileResting() {
        var machine = Lives.coolingDown()
        #expect(machine.apply(.ordered(.start), at: noon) == [.disarm(.coolDown), .checkAddress])
    }

    @Test("a stop closes the gate, tells the clients that are left, and then ends the process")
    func stop() {
        var machine = Lives.ready()
        #expect(
            machine.apply(.ordered(.stop), at: noon) == [
                .disarm(.idle), .closeGate, .takeLeave(first, .goingAway, over: .seconds(1)),
                .arm(.stopStep, at: noon + .seconds(10)),
            ])
        let stop = machine.apply(.everybodyLeft(first), at: noon)
        #expect(stop == [.signal(.terminate), .arm(.stopStep, at: noon + .seconds(10))])
        #expect(machine.after(.exited(.status(0)), .groupGone).state == .asleep)
    }

    @Test("who comes while it is being stopped by order waits for the next start")
    func arrivalDuringStop() {
        var machine = Lives.ready().after(.ordered(.stop), .wanted(two), .everybodyLeft(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
        #expect(machine.waitingCount == 1)
    }

    @Test("who waits for a start that an operator stops is told so")
    func stopWhileStarting() {
        let told = BackendMachine.Effect.refuse([one], .stopped, retryAfter: .seconds(1))
        var checking = Lives.checking()
        #expect(checking.apply(.ordered(.stop), at: noon) == [.stopProbing, told])
        #expect(checking.state == .asleep)
        var probing = Lives.probing()
        let effects = probing.apply(.ordered(.stop), at: noon)
        #expect(
            effects == [
                .stopProbing, .disarm(.startup), told, .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
            ])
    }

    @Test("what is always on stays stopped until it is asked for, and is then always on again")
    func stopAlwaysOn() {
        var machine = Lives.ready(alwaysOn).after(.ordered(.stop), .everybodyLeft(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon) == [.disarm(.stopStep), .endGeneration(first)])
        #expect(machine.apply(.wanted(two), at: noon) == [.checkAddress])
        #expect(machine.standing == .usual)
    }

    @Test("a restart tells the clients that it is one, and starts again although nobody waits")
    func restart() {
        var machine = Lives.ready()
        let effects = machine.apply(.ordered(.restart), at: noon)
        #expect(effects.contains(.takeLeave(first, .restarts, over: .seconds(1))))
        machine = machine.after(.everybodyLeft(first), .exited(.status(0)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
    }

    @Test("a restart during a start loses nobody who waits for it")
    func restartWhileStarting() {
        var machine = Lives.probing().after(.ordered(.restart), .exited(.signal(15)))
        #expect(machine.waitingCount == 1)
        _ = machine.apply(.groupGone, at: noon)
        machine = machine.after(.addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon).last == .admit([one], Generation(number: 2)))
    }

    @Test("a stop takes a restart back")
    func stopAfterRestart() {
        let machine = Lives.ready().after(.ordered(.restart), .ordered(.stop), .exited(.status(0)), .groupGone)
        #expect(machine.state == .asleep)
    }

    @Test("what is pinned has no idle clock, and has one again when it is unpinned")
    func pin() {
        var machine = Lives.ready()
        #expect(machine.apply(.ordered(.pin), at: noon) == [.disarm(.idle)])
        #expect(machine.apply(.lastLeaseReturned(first), at: noon) == [])
        #expect(machine.apply(.ordered(.unpin), at: noon) == [.arm(.idle, at: noon + .seconds(60))])
        #expect(machine.apply(.ordered(.unpin), at: noon) == [], "a second time moves no clock")
    }

    @Test("what is pinned comes back after a crash and after a rest")
    func pinnedComesBack() {
        var machine = Lives.ready().after(.ordered(.pin), .exited(.status(1)))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
        machine = machine.after(.addressTaken)
        #expect(machine.apply(.timerFired(.coolDown), at: noon) == [.checkAddress])
    }

    @Test("a stop and a disabling take the pin out", arguments: [BackendOrder.stop, .disable])
    func unpinnedByStop(order: BackendOrder) {
        let machine = Lives.ready().after(.ordered(.pin), .ordered(order), .exited(.status(0)), .groupGone)
        #expect(machine.state == .asleep)
    }

    @Test("what is disabled turns everybody away at once, whoever waits included, and is stopped")
    func disable() {
        var machine = Lives.stopping().after(.wanted(one))
        #expect(machine.apply(.ordered(.disable), at: noon) == [.refuse([one], .disabled, retryAfter: nil)])
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        _ = machine.apply(.groupGone, at: noon)
        #expect(machine.state == .asleep)
        #expect(machine.apply(.wanted(two), at: noon) == [.refuse([two], .disabled, retryAfter: nil)])
        for order in [BackendOrder.start, .restart, .pin, .unpin, .stop] {
            #expect(machine.apply(.ordered(order), at: noon) == [])
            #expect(machine.standing == .disabled)
        }
    }

    @Test("what fails while it is disabled rests for nobody")
    func disabledFailure() {
        let machine = Lives.failing().after(.ordered(.disable), .groupGone)
        #expect(machine.state == .asleep)
        #expect(Lives.coolingDown().after(.ordered(.disable)).state == .asleep)
    }

    @Test("what is enabled again may be woken, and what is always on starts by itself")
    func enable() {
        #expect(Lives.asleep().after(.ordered(.disable), .ordered(.enable)).state == .asleep)
        var machine = BackendMachine(policy: alwaysOn, standing: .disabled)
        #expect(machine.apply(.startRequested, at: noon) == [])
        #expect(machine.apply(.ordered(.enable), at: noon) == [.checkAddress])
    }

    @Test("a daemon that leaves takes no orders")
    func leaving() {
        for order in BackendOrder.allCases {
            for machine in [Lives.leaving(), Lives.retired()] {
                var same = machine
                #expect(same.apply(.ordered(order), at: noon) == [])
                #expect(same.state == machine.state)
            }
        }
    }
}
