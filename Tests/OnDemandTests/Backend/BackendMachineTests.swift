import Testing

@testable import OnDemand

private typealias State = BackendMachine.State
private typealias Start = BackendMachine.Start
private typealias Stop = BackendMachine.Stop
private typealias Backoff = BackendMachine.Backoff

private let (one, two, three) = (Ticket(number: 1), Ticket(number: 2), Ticket(number: 3))
private let first = Generation(number: 1)
private let crash = Exit.status(1)
private let noCommand = SystemError(call: "find", code: .noSuchFile, subject: "puma")
private let inUse = "could not be started: its address is in use"

/// One cell of the table: the event, the next state, and the effects.
struct Row: Sendable, CustomTestStringConvertible {
    let event: BackendMachine.Event
    let state: BackendMachine.State
    let effects: [BackendMachine.Effect]

    var testDescription: String { "\(event)" }

    fileprivate init(_ event: BackendMachine.Event, _ state: State, _ effects: [BackendMachine.Effect]) {
        self.event = event
        self.state = state
        self.effects = effects
    }

    fileprivate func check(_ machine: BackendMachine, at now: Instant = noon) {
        var machine = machine
        let effects = machine.apply(event, at: now)
        #expect(machine.state == state)
        #expect(effects == self.effects)
    }
}

struct BackendMachineTests {
    @Test(
        "asleep",
        arguments: [
            Row(.wanted(one), .starting(Start(phase: .checkingAddress, queue: [one])), [.checkAddress]),
            Row(.wantedIfAwake(one), .asleep, [.refuse([one], .wakeNotAllowed, retryAfter: .seconds(30))]),
            Row(.startRequested, .starting(Start(phase: .checkingAddress, queue: [])), [.checkAddress]),
            Row(.shutdownRequested, .shuttingDown, []),
            Row(.abandoned(one), .asleep, []),
            Row(.lastLeaseReturned(first), .asleep, []),
        ])
    func asleep(row: Row) { row.check(BackendFixtures.asleep()) }

    @Test(
        "starting: acquiring the dependencies",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .awaitingDependencies, queue: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .awaitingDependencies, queue: [])), []),
            Row(.dependenciesReady, .starting(Start(phase: .checkingAddress, queue: [one])), [.checkAddress]),
            Row(
                .dependencyRefused("redis", .exitedEarly(crash), retryAfter: .seconds(4)),
                .backoff(
                    Backoff(until: noon + .seconds(4), reason: "requires redis, which exited before it was ready")),
                [
                    .refuse(
                        [one], .dependencyFailed("redis", .exitedEarly(crash)), retryAfter: .seconds(4)),
                    .arm(.backoffTimer, at: noon + .seconds(4)), .releaseDependencies,
                ]),
            Row(
                .dependencyRefused("redis", .disabled, retryAfter: .seconds(4)), .asleep,
                [
                    .refuse([one], .dependencyFailed("redis", .disabled), retryAfter: .seconds(4)),
                    .releaseDependencies,
                ]),
            Row(
                .dependenciesChanged, .starting(Start(phase: .awaitingDependencies, queue: [one])),
                [.acquireDependencies]),
            Row(
                .shutdownRequested, .shuttingDown,
                [.stopProbing, .refuse([one], .shuttingDown, retryAfter: .seconds(5)), .releaseDependencies]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .awaitingDependencies, queue: [one])), []),
            Row(.startRequested, .starting(Start(phase: .awaitingDependencies, queue: [one])), []),
        ])
    func awaitingDependencies(row: Row) { row.check(BackendFixtures.awaiting()) }

    @Test("a dependency is released when no process of the backend is left, and not before")
    func letsGoLast() {
        var machine = BackendFixtures.awaiting().after(.dependenciesReady, .addressFree, .spawned, .probeSucceeded)
        #expect(!machine.apply(.exited(crash), at: noon).contains(.releaseDependencies))
        #expect(machine.apply(.treeGone, at: noon).last == .releaseDependencies)
    }

    @Test("a restart for queued requests releases no dependency, and requests a lost one again")
    func holdsOnForRestart() {
        let awake = BackendFixtures.awaiting().after(.dependenciesReady, .addressFree, .spawned, .probeSucceeded)
        var machine = awake.after(.exited(crash), .wanted(two))
        #expect(
            machine.apply(.treeGone, at: noon) == [.disarm(.stopStep), .endGeneration(first), .acquireDependencies])
        #expect(machine.state == .starting(Start(phase: .awaitingDependencies, queue: [two])))
    }

    @Test("a failed dependency does not count as a failure of the backend")
    func failureOfAnother() {
        let machine = BackendFixtures.awaiting().after(
            .dependencyRefused("redis", .exitedEarly(crash), retryAfter: .seconds(4)))
        #expect(machine.failures == 0)
    }

    @Test("a one-shot process stays down after its exit, whatever its status", arguments: [0, 1] as [Int32])
    func stays(status: Int32) {
        var policy = BackendFixtures.policy
        (policy.alwaysOn, policy.restarts) = (true, false)
        let machine = BackendFixtures.awake(policy).after(.exited(.status(status)), .treeGone)
        #expect(machine.state == .asleep && machine.failures == Int(status))
        let backoff = BackendFixtures.spawning(policy).after(.spawnFailed(noCommand), .timerFired(.backoffTimer))
        #expect(backoff.state == .asleep)
    }

    @Test(
        "starting: checking the address",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .checkingAddress, queue: [one, two])), []),
            Row(.wantedIfAwake(two), .starting(Start(phase: .checkingAddress, queue: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .checkingAddress, queue: [])), []),
            Row(.dependenciesChanged, .starting(Start(phase: .checkingAddress, queue: [one])), [.checkAddress]),
            Row(.addressFree, .starting(Start(phase: .spawning, queue: [one])), [.spawn(first)]),
            Row(
                .addressTaken, .backoff(Backoff(until: noon + .seconds(1), reason: inUse)),
                [
                    .refuse([one], .addressTaken, retryAfter: .seconds(1)),
                    .arm(.backoffTimer, at: noon + .seconds(1)),
                ]),
            Row(
                .shutdownRequested, .shuttingDown,
                [.stopProbing, .refuse([one], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .checkingAddress, queue: [one])), []),
            Row(.startRequested, .starting(Start(phase: .checkingAddress, queue: [one])), []),
        ])
    func checkingAddress(row: Row) { row.check(BackendFixtures.checking()) }

    @Test(
        "starting: the spawn",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .spawning, queue: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .spawning, queue: [])), []),
            Row(
                .spawned, .starting(Start(phase: .probing(since: noon), queue: [one])),
                [.arm(.startup, at: noon + .seconds(30)), .startProbing]),
            Row(
                .spawnFailed(noCommand), .backoff(Backoff(until: noon + .seconds(1), reason: "could not be started")),
                [
                    .refuse([one], .spawnFailed(noCommand), retryAfter: .seconds(1)),
                    .arm(.backoffTimer, at: noon + .seconds(1)),
                ]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .spawning, queue: [one])), []),
            Row(.startRequested, .starting(Start(phase: .spawning, queue: [one])), []),
        ])
    func spawning(row: Row) { row.check(BackendFixtures.spawning()) }

    @Test(
        "starting: probing",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .probing(since: noon), queue: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .probing(since: noon), queue: [])), []),
            Row(
                .probeSucceeded, .awake(since: noon),
                [.disarm(.startup), .openGate(first, leases: 1), .admit([one], first)]),
            Row(
                .timerFired(.startup),
                .stopping(
                    Stop(cause: .failure(reason: "did not become ready within 30s", restAfter: true), step: 0)),
                [
                    .stopProbing, .refuse([one], .startTimedOut(after: .seconds(30)), retryAfter: .seconds(1)),
                    .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
                ]),
            Row(
                .exited(crash),
                .stopping(
                    Stop(
                        cause: .failure(reason: "exited before it was ready", restAfter: true), step: 0, exit: crash)),
                [
                    .stopProbing, .disarm(.startup), .refuse([one], .exitedEarly(crash), retryAfter: .seconds(1)),
                    .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
                ]),
            Row(
                .shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)),
                [
                    .stopProbing, .disarm(.startup), .refuse([one], .shuttingDown, retryAfter: .seconds(5)),
                    .signal(.terminate), .arm(.stopStep, at: noon + .seconds(10)),
                ]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .probing(since: noon), queue: [one])), []),
            Row(.startRequested, .starting(Start(phase: .probing(since: noon), queue: [one])), []),
        ])
    func probing(row: Row) { row.check(BackendFixtures.probing()) }

    @Test(
        "ready",
        arguments: [
            Row(.wanted(two), .awake(since: noon), [.enterGate, .admit([two], first)]),
            Row(.lastLeaseReturned(first), .awake(since: noon), [.arm(.idle, at: noon + .seconds(60))]),
            Row(.lastLeaseReturned(Generation(number: 0)), .awake(since: noon), []),
            Row(.timerFired(.idle), .awake(since: noon), [.tryCloseGate]),
            Row(.gateBusy, .awake(since: noon), []),
            Row(
                .gateClosed, .stopping(Stop(cause: .idle, step: 0)),
                [.signal(.terminate), .arm(.stopStep, at: noon + .seconds(10))]),
            Row(
                .exited(crash),
                .stopping(
                    Stop(cause: .failure(reason: "ended unexpectedly", restAfter: false), step: 0, exit: crash)),
                [
                    .disarm(.idle), .closeGateByForce, .signal(.terminate),
                    .arm(.stopStep, at: noon + .seconds(10)),
                ]),
            Row(
                .shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)),
                [
                    .disarm(.idle), .closeGateByForce, .signal(.terminate),
                    .arm(.stopStep, at: noon + .seconds(10)),
                ]),
            Row(.abandoned(one), .awake(since: noon), []),
            Row(.startRequested, .awake(since: noon), []),
        ])
    func awake(row: Row) { row.check(BackendFixtures.awake()) }

    @Test(
        "stopping because it was idle",
        arguments: [
            Row(.wanted(two), .stopping(Stop(cause: .idle, step: 0, queue: [two])), []),
            Row(.abandoned(two), .stopping(Stop(cause: .idle, step: 0)), []),
            Row(
                .timerFired(.stopStep), .stopping(Stop(cause: .idle, step: 1)),
                [.signal(.kill), .arm(.stopStep, at: noon + .seconds(1))]),
            Row(
                .shutdownForced, .stopping(Stop(cause: .idle, step: 1)),
                [.signal(.kill), .arm(.stopStep, at: noon + .seconds(1))]),
            Row(.exited(.signal(15)), .stopping(Stop(cause: .idle, step: 0, exit: .signal(15))), []),
            Row(.treeGone, .asleep, [.disarm(.stopStep), .endGeneration(first)]),
            Row(.shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)), []),
            Row(.lastLeaseReturned(first), .stopping(Stop(cause: .idle, step: 0)), []),
            Row(.startRequested, .stopping(Stop(cause: .idle, step: 0)), []),
        ])
    func stopping(row: Row) { row.check(BackendFixtures.stopping()) }

    @Test(
        "stopping after it failed twice in a row",
        arguments: [
            Row(
                .wanted(two),
                .stopping(
                    Stop(
                        cause: .failure(reason: "ended unexpectedly", restAfter: true), step: 0, exit: crash,
                        queue: [two])), []),
            Row(
                .treeGone, .backoff(Backoff(until: noon + .seconds(2), reason: "ended unexpectedly")),
                [
                    .disarm(.stopStep), .endGeneration(Generation(number: 2)),
                    .arm(.backoffTimer, at: noon + .seconds(2)),
                ]),
            Row(
                .shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0, exit: crash)), []),
        ])
    func failing(row: Row) { row.check(BackendFixtures.failing()) }

    @Test(
        "stopping because of the shutdown",
        arguments: [
            Row(
                .wanted(two), .stopping(Stop(cause: .shutdown, step: 0)),
                [.refuse([two], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.treeGone, .shuttingDown, [.disarm(.stopStep), .endGeneration(first)]),
            Row(.shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)), []),
        ])
    func leaving(row: Row) { row.check(BackendFixtures.leaving()) }

    @Test(
        "backoff",
        arguments: [
            Row(.wanted(two), .backoff(Backoff(until: noon + .seconds(1), reason: inUse, queue: [two])), []),
            Row(
                .wantedIfAwake(two), .backoff(Backoff(until: noon + .seconds(1), reason: inUse)),
                [.refuse([two], .backoff(reason: inUse), retryAfter: .seconds(1))]),
            Row(.timerFired(.backoffTimer), .asleep, []),
            Row(.shutdownRequested, .shuttingDown, [.disarm(.backoffTimer)]),
            Row(.abandoned(one), .backoff(Backoff(until: noon + .seconds(1), reason: inUse)), []),
            Row(.lastLeaseReturned(first), .backoff(Backoff(until: noon + .seconds(1), reason: inUse)), []),
            Row(.startRequested, .backoff(Backoff(until: noon + .seconds(1), reason: inUse)), []),
        ])
    func backoff(row: Row) { row.check(BackendFixtures.backoff()) }

    @Test(
        "shutting down",
        arguments: [
            Row(.wanted(one), .shuttingDown, [.refuse([one], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.abandoned(one), .shuttingDown, []),
            Row(.lastLeaseReturned(first), .shuttingDown, []),
            Row(.startRequested, .shuttingDown, []),
            Row(.shutdownRequested, .shuttingDown, []),
            Row(.shutdownForced, .shuttingDown, []),
        ])
    func shuttingDown(row: Row) { row.check(BackendFixtures.shuttingDown()) }
}

struct BackendGenerationTests {
    @Test("a backend whose queue is empty becomes ready, and its idle timer starts at once")
    func readyForNobody() {
        var machine = BackendFixtures.probing().after(.abandoned(one))
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 0), .arm(.idle, at: noon + .seconds(60))])
    }

    @Test("all queued requests are admitted in order of arrival")
    func admittedInOrder() {
        var machine = BackendFixtures.probing().after(.wanted(three))
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects.last == .admit([one, three], first))
        #expect(effects.contains(.openGate(first, leases: 2)))
    }

    @Test("a request beyond the limit of the queue is rejected, and a client that leaves frees its slot")
    func queueFull() {
        var machine = BackendFixtures.checking().after(.wanted(two))
        let full = BackendMachine.Effect.refuse([three], .queueFull(limit: 2), retryAfter: .seconds(1))
        #expect(machine.apply(.wanted(three), at: noon) == [full])
        #expect(machine.queueLength == 2)
        #expect(machine.apply(.abandoned(one), at: noon).isEmpty)
        #expect(machine.apply(.wanted(three), at: noon).isEmpty)
        #expect(machine.queueLength == 2)
    }

    @Test("the queue has its limit during a stop, too")
    func queueFullWhileStopping() {
        var machine = BackendFixtures.stopping().after(.wanted(one), .wanted(two))
        let full = BackendMachine.Effect.refuse([three], .queueFull(limit: 2), retryAfter: .seconds(1))
        #expect(machine.apply(.wanted(three), at: noon) == [full])
    }

    @Test("a request during a stop causes a start as soon as the last process of the group is gone")
    func stopWindow() {
        var machine = BackendFixtures.stopping().after(.wanted(two), .exited(.signal(15)))
        let effects = machine.apply(.treeGone, at: noon)
        #expect(effects == [.disarm(.stopStep), .endGeneration(first), .checkAddress])
        #expect(machine.state == .starting(Start(phase: .checkingAddress, queue: [two])))
    }

    @Test("a request that is queued during a stop and leaves again starts nothing")
    func leftInStopWindow() {
        let machine = BackendFixtures.stopping().after(.wanted(two), .abandoned(two), .treeGone)
        #expect(machine.state == .asleep)
    }

    @Test("a backend that ignores TERM is killed repeatedly until its group is gone")
    func killedUntilGone() {
        var machine = BackendFixtures.stopping()
        var now = noon
        for _ in 0..<5 {
            now = now + .seconds(10)
            let effects = machine.apply(.timerFired(.stopStep), at: now)
            #expect(effects == [.signal(.kill), .arm(.stopStep, at: now + .seconds(1))])
        }
    }

    @Test("each start is a new generation")
    func generations() {
        var machine = BackendFixtures.stopping().after(.wanted(two), .treeGone)
        #expect(machine.apply(.addressFree, at: noon) == [.spawn(Generation(number: 2))])
    }

    @Test("the first crash causes no backoff, the next ones cause a growing one")
    func crashes() {
        var machine = BackendFixtures.awake()
        var rests: [Duration] = []
        for _ in 0..<4 {
            machine = machine.after(.exited(crash), .treeGone)
            if case .backoff(let backoff) = machine.state {
                rests.append(backoff.until - noon)
                machine = machine.after(.timerFired(.backoffTimer))
            }
            machine = machine.after(.wanted(one), .addressFree, .spawned, .probeSucceeded)
        }
        #expect(rests == [.seconds(2), .seconds(4), .seconds(8)])
    }

    @Test("a crash after a long uptime counts as a first crash")
    func stableCrash() {
        var machine = BackendFixtures.failing().after(
            .treeGone, .timerFired(.backoffTimer), .wanted(one), .addressFree, .spawned, .probeSucceeded)
        #expect(machine.failures > 0)
        _ = machine.apply(.exited(crash), at: noon + Limits.stableUptime)
        #expect(machine.failures == 0)
        #expect(machine.after(.treeGone).state == .asleep)
    }

    @Test("failed starts double the backoff, and an idle stop resets it")
    func failedStarts() {
        var machine = BackendFixtures.backoff()
        for seconds in [2, 4, 8] {
            machine = machine.after(.timerFired(.backoffTimer), .wanted(one))
            let effects = machine.apply(.addressTaken, at: noon)
            #expect(effects.contains(.arm(.backoffTimer, at: noon + .seconds(seconds))))
        }
        machine = machine.after(
            .timerFired(.backoffTimer), .wanted(one), .addressFree, .spawned, .probeSucceeded, .timerFired(.idle),
            .gateClosed, .treeGone)
        #expect(machine.failures == 0)
    }

    @Test("a rejection during the backoff has the remaining time, and never zero")
    func restThatIsOver() {
        var machine = BackendFixtures.backoff()
        let effects = machine.apply(.wantedIfAwake(two), at: noon + .seconds(5))
        guard case .refuse([two], .backoff, let retryAfter) = effects.first else {
            Issue.record("\(effects) is no refusal")
            return
        }
        #expect(retryAfter ?? .zero > .zero)
    }

    @Test("a rejection during the backoff names one cause, however many failures came before")
    func reasonsDoNotGrow() {
        let machine = BackendFixtures.failing().after(.treeGone)
        guard case .backoff(let backoff) = machine.state else {
            Issue.record("\(machine.state) is no backoff")
            return
        }
        #expect(backoff.reason == "ended unexpectedly")
    }

    @Test("the jitter shortens a backoff by at most a fifth")
    func jitter() {
        var machine = BackendFixtures.checking()
        let effects = machine.apply(.addressTaken, at: noon, jitter: 0.5)
        #expect(effects.last == .arm(.backoffTimer, at: noon + .milliseconds(900)))
    }

    @Test("an always-on backend never stops for idleness, and restarts after a crash and after a backoff")
    func alwaysOn() {
        var policy = BackendFixtures.policy
        policy.alwaysOn = true
        var machine = BackendFixtures.asleep(policy).after(.startRequested, .addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon) == [.disarm(.startup), .openGate(first, leases: 0)])
        #expect(machine.apply(.lastLeaseReturned(first), at: noon).isEmpty)
        machine = machine.after(.exited(crash))
        #expect(machine.apply(.treeGone, at: noon).last == .checkAddress)
        machine = machine.after(.addressTaken)
        #expect(machine.apply(.timerFired(.backoffTimer), at: noon) == [.checkAddress])
    }

    @Test("P10 without an idle timeout the backend never stops, whatever it does without clients")
    func neverIdle() {
        var policy = BackendFixtures.policy
        policy.idleTimeout = nil
        var machine = BackendFixtures.awake(policy)
        #expect(machine.apply(.lastLeaseReturned(first), at: noon).isEmpty)
    }

    @Test("a shutdown during a stop rejects the queued requests, and nothing starts again")
    func shutdownInStopWindow() {
        var machine = BackendFixtures.stopping().after(.wanted(two))
        let effects = machine.apply(.shutdownRequested, at: noon)
        #expect(effects == [.refuse([two], .shuttingDown, retryAfter: .seconds(5))])
        #expect(machine.after(.treeGone).state == .shuttingDown)
    }

    @Test("a very long startup timeout is armed as endless, not in the past")
    func absurdTimeout() {
        var policy = BackendFixtures.policy
        policy.startupTimeout = .seconds(Int64.max / 1_000_000_000)
        var machine = BackendFixtures.spawning(policy)
        #expect(machine.apply(.spawned, at: noon).first == .arm(.startup, at: Instant(nanoseconds: .max)))
    }
}

struct ImpossibleEventTests {
    @Test("no timer can fire while the backend is asleep")
    func asleep() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.asleep().after(.timerFired(.idle)) }
    }

    @Test("no probe can succeed before a process exists")
    func checkingAddress() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.checking().after(.probeSucceeded) }
    }

    @Test("a spawn has its result before any other event")
    func spawning() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.spawning().after(.shutdownRequested) }
    }

    @Test("a group cannot be gone before its leader was reaped")
    func probing() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.probing().after(.treeGone) }
    }

    @Test("only a stop can be forced")
    func awake() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.awake().after(.shutdownForced) }
    }

    @Test("the gate is not used during a stop")
    func stopping() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.stopping().after(.gateClosed) }
    }

    @Test("a backend in backoff has no process that could exit")
    func backoff() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.backoff().after(.exited(.status(0))) }
    }

    @Test("no event is possible after the shutdown")
    func shuttingDown() async {
        await #expect(processExitsWith: .failure) { _ = BackendFixtures.shuttingDown().after(.treeGone) }
    }
}
