import Testing

@testable import OnDemand

private typealias State = BackendMachine.State
private typealias Start = BackendMachine.Start
private typealias Stop = BackendMachine.Stop
private typealias Rest = BackendMachine.Rest

private let (one, two, three) = (Ticket(number: 1), Ticket(number: 2), Ticket(number: 3))
private let first = Generation(number: 1)
private let crash = Exit.status(1)
private let noCommand = SystemError(call: "find", code: .noSuchFile, subject: "puma")
private let inUse = "could not be started: its address is in use"

/// One cell of the table: what happens, what becomes of it, and what is to be done.
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
            Row(.wanted(one), .starting(Start(phase: .checkingAddress, waiting: [one])), [.checkAddress]),
            Row(.wantedIfAwake(one), .asleep, [.refuse([one], .mayNotWake, retryAfter: .seconds(30))]),
            Row(.startRequested, .starting(Start(phase: .checkingAddress, waiting: [])), [.checkAddress]),
            Row(.shutdownRequested, .retired, []),
            Row(.abandoned(one), .asleep, []),
            Row(.lastLeaseReturned(first), .asleep, []),
        ])
    func asleep(row: Row) { row.check(Lives.asleep()) }

    @Test(
        "starting: what it requires comes first",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .awaitingRequirements, waiting: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .awaitingRequirements, waiting: [])), []),
            Row(.requirementsReady, .starting(Start(phase: .checkingAddress, waiting: [one])), [.checkAddress]),
            Row(
                .requirementRefused("redis", .exitedEarly(crash), retryAfter: .seconds(4)),
                .coolingDown(
                    Rest(until: noon + .seconds(4), reason: "requires redis, which ended before it was ready")),
                [
                    .refuse(
                        [one], .requirementFailed("redis", .exitedEarly(crash)), retryAfter: .seconds(4)),
                    .arm(.coolDown, at: noon + .seconds(4)), .releaseRequirements,
                ]),
            Row(
                .requirementRefused("redis", .disabled, retryAfter: .seconds(4)), .asleep,
                [
                    .refuse([one], .requirementFailed("redis", .disabled), retryAfter: .seconds(4)),
                    .releaseRequirements,
                ]),
            Row(
                .requirementsChanged, .starting(Start(phase: .awaitingRequirements, waiting: [one])),
                [.holdRequirements]),
            Row(
                .shutdownRequested, .retired,
                [.stopProbing, .refuse([one], .shuttingDown, retryAfter: .seconds(5)), .releaseRequirements]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .awaitingRequirements, waiting: [one])), []),
            Row(.startRequested, .starting(Start(phase: .awaitingRequirements, waiting: [one])), []),
        ])
    func awaitingRequirements(row: Row) { row.check(Lives.awaiting()) }

    @Test("what it requires is let go of when nothing is left of its processes, and not before")
    func letsGoLast() {
        var machine = Lives.awaiting().after(.requirementsReady, .addressFree, .spawned, .probeSucceeded)
        #expect(!machine.apply(.exited(crash), at: noon).contains(.releaseRequirements))
        #expect(machine.apply(.groupGone, at: noon).last == .releaseRequirements)
    }

    @Test("a restart for those who wait lets go of nothing, and asks again what may have been lost")
    func holdsOnForRestart() {
        let ready = Lives.awaiting().after(.requirementsReady, .addressFree, .spawned, .probeSucceeded)
        var machine = ready.after(.exited(crash), .wanted(two))
        #expect(
            machine.apply(.groupGone, at: noon) == [.disarm(.stopStep), .endGeneration(first), .holdRequirements])
        #expect(machine.state == .starting(Start(phase: .awaitingRequirements, waiting: [two])))
    }

    @Test("the failure of a requirement is not counted as its own")
    func failureOfAnother() {
        let machine = Lives.awaiting().after(
            .requirementRefused("redis", .exitedEarly(crash), retryAfter: .seconds(4)))
        #expect(machine.failures == 0)
    }

    @Test("what is not to be started again stays down after its end, whatever that was", arguments: [0, 1] as [Int32])
    func stays(status: Int32) {
        var policy = Lives.policy
        (policy.alwaysOn, policy.restarts) = (true, false)
        let machine = Lives.ready(policy).after(.exited(.status(status)), .groupGone)
        #expect(machine.state == .asleep && machine.failures == Int(status))
        let coolingDown = Lives.spawning(policy).after(.spawnFailed(noCommand), .timerFired(.coolDown))
        #expect(coolingDown.state == .asleep)
    }

    @Test(
        "starting: is the address free?",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .checkingAddress, waiting: [one, two])), []),
            Row(.wantedIfAwake(two), .starting(Start(phase: .checkingAddress, waiting: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .checkingAddress, waiting: [])), []),
            Row(.requirementsChanged, .starting(Start(phase: .checkingAddress, waiting: [one])), [.checkAddress]),
            Row(.addressFree, .starting(Start(phase: .spawning, waiting: [one])), [.spawn(first)]),
            Row(
                .addressTaken, .coolingDown(Rest(until: noon + .seconds(1), reason: inUse)),
                [
                    .refuse([one], .addressTaken, retryAfter: .seconds(1)),
                    .arm(.coolDown, at: noon + .seconds(1)),
                ]),
            Row(
                .shutdownRequested, .retired,
                [.stopProbing, .refuse([one], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .checkingAddress, waiting: [one])), []),
            Row(.startRequested, .starting(Start(phase: .checkingAddress, waiting: [one])), []),
        ])
    func checkingAddress(row: Row) { row.check(Lives.checking()) }

    @Test(
        "starting: the spawn",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .spawning, waiting: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .spawning, waiting: [])), []),
            Row(
                .spawned, .starting(Start(phase: .probing(since: noon), waiting: [one])),
                [.arm(.startup, at: noon + .seconds(30)), .startProbing]),
            Row(
                .spawnFailed(noCommand), .coolingDown(Rest(until: noon + .seconds(1), reason: "could not be started")),
                [
                    .refuse([one], .spawnFailed(noCommand), retryAfter: .seconds(1)),
                    .arm(.coolDown, at: noon + .seconds(1)),
                ]),
            Row(.lastLeaseReturned(first), .starting(Start(phase: .spawning, waiting: [one])), []),
            Row(.startRequested, .starting(Start(phase: .spawning, waiting: [one])), []),
        ])
    func spawning(row: Row) { row.check(Lives.spawning()) }

    @Test(
        "starting: waiting until it accepts",
        arguments: [
            Row(.wanted(two), .starting(Start(phase: .probing(since: noon), waiting: [one, two])), []),
            Row(.abandoned(one), .starting(Start(phase: .probing(since: noon), waiting: [])), []),
            Row(
                .probeSucceeded, .ready(since: noon),
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
                        cause: .failure(reason: "ended before it was ready", restAfter: true), step: 0, exit: crash)),
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
            Row(.lastLeaseReturned(first), .starting(Start(phase: .probing(since: noon), waiting: [one])), []),
            Row(.startRequested, .starting(Start(phase: .probing(since: noon), waiting: [one])), []),
        ])
    func probing(row: Row) { row.check(Lives.probing()) }

    @Test(
        "ready",
        arguments: [
            Row(.wanted(two), .ready(since: noon), [.enterGate, .admit([two], first)]),
            Row(.lastLeaseReturned(first), .ready(since: noon), [.arm(.idle, at: noon + .seconds(60))]),
            Row(.lastLeaseReturned(Generation(number: 0)), .ready(since: noon), []),
            Row(.timerFired(.idle), .ready(since: noon), [.tryCloseGate]),
            Row(.gateBusy, .ready(since: noon), []),
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
            Row(.abandoned(one), .ready(since: noon), []),
            Row(.startRequested, .ready(since: noon), []),
        ])
    func ready(row: Row) { row.check(Lives.ready()) }

    @Test(
        "stopping because nobody needed it",
        arguments: [
            Row(.wanted(two), .stopping(Stop(cause: .idle, step: 0, waiting: [two])), []),
            Row(.abandoned(two), .stopping(Stop(cause: .idle, step: 0)), []),
            Row(
                .timerFired(.stopStep), .stopping(Stop(cause: .idle, step: 1)),
                [.signal(.kill), .arm(.stopStep, at: noon + .seconds(1))]),
            Row(
                .hurried, .stopping(Stop(cause: .idle, step: 1)),
                [.signal(.kill), .arm(.stopStep, at: noon + .seconds(1))]),
            Row(.exited(.signal(15)), .stopping(Stop(cause: .idle, step: 0, exit: .signal(15))), []),
            Row(.groupGone, .asleep, [.disarm(.stopStep), .endGeneration(first)]),
            Row(.shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)), []),
            Row(.lastLeaseReturned(first), .stopping(Stop(cause: .idle, step: 0)), []),
            Row(.startRequested, .stopping(Stop(cause: .idle, step: 0)), []),
        ])
    func stopping(row: Row) { row.check(Lives.stopping()) }

    @Test(
        "stopping after it failed twice in a row",
        arguments: [
            Row(
                .wanted(two),
                .stopping(
                    Stop(
                        cause: .failure(reason: "ended unexpectedly", restAfter: true), step: 0, exit: crash,
                        waiting: [two])), []),
            Row(
                .groupGone, .coolingDown(Rest(until: noon + .seconds(2), reason: "ended unexpectedly")),
                [
                    .disarm(.stopStep), .endGeneration(Generation(number: 2)),
                    .arm(.coolDown, at: noon + .seconds(2)),
                ]),
            Row(
                .shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0, exit: crash)), []),
        ])
    func failing(row: Row) { row.check(Lives.failing()) }

    @Test(
        "stopping because the daemon leaves",
        arguments: [
            Row(
                .wanted(two), .stopping(Stop(cause: .shutdown, step: 0)),
                [.refuse([two], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.groupGone, .retired, [.disarm(.stopStep), .endGeneration(first)]),
            Row(.shutdownRequested, .stopping(Stop(cause: .shutdown, step: 0)), []),
        ])
    func leaving(row: Row) { row.check(Lives.leaving()) }

    @Test(
        "cooling down",
        arguments: [
            Row(.wanted(two), .coolingDown(Rest(until: noon + .seconds(1), reason: inUse, waiting: [two])), []),
            Row(
                .wantedIfAwake(two), .coolingDown(Rest(until: noon + .seconds(1), reason: inUse)),
                [.refuse([two], .coolingDown(reason: inUse), retryAfter: .seconds(1))]),
            Row(.timerFired(.coolDown), .asleep, []),
            Row(.shutdownRequested, .retired, [.disarm(.coolDown)]),
            Row(.abandoned(one), .coolingDown(Rest(until: noon + .seconds(1), reason: inUse)), []),
            Row(.lastLeaseReturned(first), .coolingDown(Rest(until: noon + .seconds(1), reason: inUse)), []),
            Row(.startRequested, .coolingDown(Rest(until: noon + .seconds(1), reason: inUse)), []),
        ])
    func coolingDown(row: Row) { row.check(Lives.coolingDown()) }

    @Test(
        "retired",
        arguments: [
            Row(.wanted(one), .retired, [.refuse([one], .shuttingDown, retryAfter: .seconds(5))]),
            Row(.abandoned(one), .retired, []),
            Row(.lastLeaseReturned(first), .retired, []),
            Row(.startRequested, .retired, []),
            Row(.shutdownRequested, .retired, []),
            Row(.hurried, .retired, []),
        ])
    func retired(row: Row) { row.check(Lives.retired()) }
}

struct BackendLifeTests {
    @Test("a backend that nobody waits for any more becomes ready, and its idle clock starts at once")
    func readyForNobody() {
        var machine = Lives.probing().after(.abandoned(one))
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects == [.disarm(.startup), .openGate(first, leases: 0), .arm(.idle, at: noon + .seconds(60))])
    }

    @Test("everybody who waits is admitted, in the order they came")
    func admittedInOrder() {
        var machine = Lives.probing().after(.wanted(three))
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects.last == .admit([one, three], first))
        #expect(effects.contains(.openGate(first, leases: 2)))
    }

    @Test("one client too many is refused, the others go on waiting, and a place that is left is free again")
    func queueFull() {
        var machine = Lives.checking().after(.wanted(two))
        let full = BackendMachine.Effect.refuse([three], .queueFull(limit: 2), retryAfter: .seconds(1))
        #expect(machine.apply(.wanted(three), at: noon) == [full])
        #expect(machine.waitingCount == 2)
        #expect(machine.apply(.abandoned(one), at: noon).isEmpty)
        #expect(machine.apply(.wanted(three), at: noon).isEmpty)
        #expect(machine.waitingCount == 2)
    }

    @Test("the queue is bounded in the stop window too")
    func queueFullWhileStopping() {
        var machine = Lives.stopping().after(.wanted(one), .wanted(two))
        let full = BackendMachine.Effect.refuse([three], .queueFull(limit: 2), retryAfter: .seconds(1))
        #expect(machine.apply(.wanted(three), at: noon) == [full])
    }

    @Test("who arrives while it stops gets a fresh start as soon as the last of the group is gone")
    func stopWindow() {
        var machine = Lives.stopping().after(.wanted(two), .exited(.signal(15)))
        let effects = machine.apply(.groupGone, at: noon)
        #expect(effects == [.disarm(.stopStep), .endGeneration(first), .checkAddress])
        #expect(machine.state == .starting(Start(phase: .checkingAddress, waiting: [two])))
    }

    @Test("who arrives while it stops and leaves again starts nothing")
    func leftInStopWindow() {
        let machine = Lives.stopping().after(.wanted(two), .abandoned(two), .groupGone)
        #expect(machine.state == .asleep)
    }

    @Test("a backend that ignores TERM is killed, again and again, until its group is gone")
    func killedUntilGone() {
        var machine = Lives.stopping()
        var now = noon
        for _ in 0..<5 {
            now = now + .seconds(10)
            let effects = machine.apply(.timerFired(.stopStep), at: now)
            #expect(effects == [.signal(.kill), .arm(.stopStep, at: now + .seconds(1))])
        }
    }

    @Test("each start is another generation")
    func generations() {
        var machine = Lives.stopping().after(.wanted(two), .groupGone)
        #expect(machine.apply(.addressFree, at: noon) == [.spawn(Generation(number: 2))])
    }

    @Test("the first crash is forgiven, the next ones make it rest, ever longer")
    func crashes() {
        var machine = Lives.ready()
        var rests: [Duration] = []
        for _ in 0..<4 {
            machine = machine.after(.exited(crash), .groupGone)
            if case .coolingDown(let rest) = machine.state {
                rests.append(rest.until - noon)
                machine = machine.after(.timerFired(.coolDown))
            }
            machine = machine.after(.wanted(one), .addressFree, .spawned, .probeSucceeded)
        }
        #expect(rests == [.seconds(2), .seconds(4), .seconds(8)])
    }

    @Test("a crash after a long time of service is forgiven like a first one")
    func stableCrash() {
        var machine = Lives.failing().after(
            .groupGone, .timerFired(.coolDown), .wanted(one), .addressFree, .spawned, .probeSucceeded)
        #expect(machine.failures > 0)
        _ = machine.apply(.exited(crash), at: noon + Limits.stableUptime)
        #expect(machine.failures == 0)
        #expect(machine.after(.groupGone).state == .asleep)
    }

    @Test("failed starts double the rest; one life that ends because nobody needs it makes up for them")
    func failedStarts() {
        var machine = Lives.coolingDown()
        for seconds in [2, 4, 8] {
            machine = machine.after(.timerFired(.coolDown), .wanted(one))
            let effects = machine.apply(.addressTaken, at: noon)
            #expect(effects.contains(.arm(.coolDown, at: noon + .seconds(seconds))))
        }
        machine = machine.after(
            .timerFired(.coolDown), .wanted(one), .addressFree, .spawned, .probeSucceeded, .timerFired(.idle),
            .gateClosed, .groupGone)
        #expect(machine.failures == 0)
    }

    @Test("a refusal while cooling down names what is left of the rest, and never nothing")
    func restThatIsOver() {
        var machine = Lives.coolingDown()
        let effects = machine.apply(.wantedIfAwake(two), at: noon + .seconds(5))
        guard case .refuse([two], .coolingDown, let retryAfter) = effects.first else {
            Issue.record("\(effects) is no refusal")
            return
        }
        #expect(retryAfter ?? .zero > .zero)
    }

    @Test("a refusal while cooling down is one reason long, however many rests went before")
    func reasonsDoNotGrow() {
        let machine = Lives.failing().after(.groupGone)
        guard case .coolingDown(let rest) = machine.state else {
            Issue.record("\(machine.state) is no rest")
            return
        }
        #expect(rest.reason == "ended unexpectedly")
    }

    @Test("the dice shorten a rest by up to a fifth")
    func jitter() {
        var machine = Lives.checking()
        let effects = machine.apply(.addressTaken, at: noon, jitter: 0.5)
        #expect(effects.last == .arm(.coolDown, at: noon + .milliseconds(900)))
    }

    @Test("what is always on never idles out, and comes back by itself after a crash and after a rest")
    func alwaysOn() {
        var policy = Lives.policy
        policy.alwaysOn = true
        var machine = Lives.asleep(policy).after(.startRequested, .addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon) == [.disarm(.startup), .openGate(first, leases: 0)])
        #expect(machine.apply(.lastLeaseReturned(first), at: noon).isEmpty)
        machine = machine.after(.exited(crash))
        #expect(machine.apply(.groupGone, at: noon).last == .checkAddress)
        machine = machine.after(.addressTaken)
        #expect(machine.apply(.timerFired(.coolDown), at: noon) == [.checkAddress])
    }

    @Test("P10 without an idle timeout nothing ever stops it, whatever it works at without clients")
    func neverIdle() {
        var policy = Lives.policy
        policy.idleTimeout = nil
        var machine = Lives.ready(policy)
        #expect(machine.apply(.lastLeaseReturned(first), at: noon).isEmpty)
    }

    @Test("a shutdown in the stop window tells those who wait, and nothing starts again")
    func shutdownInStopWindow() {
        var machine = Lives.stopping().after(.wanted(two))
        let effects = machine.apply(.shutdownRequested, at: noon)
        #expect(effects == [.refuse([two], .shuttingDown, retryAfter: .seconds(5))])
        #expect(machine.after(.groupGone).state == .retired)
    }

    @Test("an absurdly long startup timeout is armed for ever, not in the past")
    func absurdTimeout() {
        var policy = Lives.policy
        policy.startupTimeout = .seconds(Int64.max / 1_000_000_000)
        var machine = Lives.spawning(policy)
        #expect(machine.apply(.spawned, at: noon).first == .arm(.startup, at: Instant(nanoseconds: .max)))
    }
}

struct ImpossibleEventTests {
    @Test("no timer can fire while it is asleep")
    func asleep() async {
        await #expect(processExitsWith: .failure) { _ = Lives.asleep().after(.timerFired(.idle)) }
    }

    @Test("nobody probes before there is a process")
    func checkingAddress() async {
        await #expect(processExitsWith: .failure) { _ = Lives.checking().after(.probeSucceeded) }
    }

    @Test("a spawn is answered before anything else is told")
    func spawning() async {
        await #expect(processExitsWith: .failure) { _ = Lives.spawning().after(.shutdownRequested) }
    }

    @Test("a group is not gone before its leader was reaped")
    func probing() async {
        await #expect(processExitsWith: .failure) { _ = Lives.probing().after(.groupGone) }
    }

    @Test("only a stop can be hurried")
    func ready() async {
        await #expect(processExitsWith: .failure) { _ = Lives.ready().after(.hurried) }
    }

    @Test("the gate is not asked for while it stops")
    func stopping() async {
        await #expect(processExitsWith: .failure) { _ = Lives.stopping().after(.gateClosed) }
    }

    @Test("what rests has no process that could end")
    func coolingDown() async {
        await #expect(processExitsWith: .failure) { _ = Lives.coolingDown().after(.exited(.status(0))) }
    }

    @Test("what is retired has nothing left that could happen")
    func retired() async {
        await #expect(processExitsWith: .failure) { _ = Lives.retired().after(.groupGone) }
    }
}
