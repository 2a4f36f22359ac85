@testable import OnDemand

/// The stages of a backend's lifecycle in which the machine's results differ, and how to reach them.
enum LifecyclePlace: String, CaseIterable, Codable, Sendable {
    case asleep
    case awaitingDependencies, checkingAddress, spawning, probing, relistening
    case awake
    case closingTunnels, stoppingIdle, stoppingForgiven, stoppingFailed, stoppingForShutdown
    case closingTunnelsByOperation, stoppingByOperation
    case stopOverdue
    case backoff, disabled
    case shuttingDown

    init(_ machine: BackendMachine) {
        self =
            switch machine.state {
            case .asleep: machine.standing == .disabled ? .disabled : .asleep
            case .starting(let start):
                switch start.phase {
                case .awaitingDependencies: .awaitingDependencies
                case .checkingAddress: .checkingAddress
                case .spawning: .spawning
                case .probing: .probing
                case .relistening: .relistening
                }
            case .awake: .awake
            case .stopping(let stop):
                switch stop.cause {
                case .shutdown: .stoppingForShutdown
                case _ where machine.isStopOverdue: .stopOverdue
                case .idle: stop.step == BackendMachine.Stop.closingTunnels ? .closingTunnels : .stoppingIdle
                case .operation:
                    stop.step == BackendMachine.Stop.closingTunnels ? .closingTunnelsByOperation : .stoppingByOperation
                case .failure(_, restAfter: false): .stoppingForgiven
                case .failure(_, restAfter: true): .stoppingFailed
                }
            case .backoff: .backoff
            case .shuttingDown: .shuttingDown
            }
    }

    /// Uses the defaults of the configuration, so that the table has the numbers of an operator's first file.
    func machine(_ policy: BackendPolicy = BackendPolicy()) -> BackendMachine {
        switch self {
        case .asleep: BackendFixtures.asleep(policy)
        case .awaitingDependencies: BackendFixtures.awaiting(policy)
        case .checkingAddress: BackendFixtures.checking(policy)
        case .spawning: BackendFixtures.spawning(policy)
        case .probing: BackendFixtures.probing(policy)
        case .relistening:
            BackendFixtures.awake(policy).after(
                .listenerMissing(Ticket(number: 1), Generation(number: 1), wasSent: false))
        case .awake: BackendFixtures.awake(policy)
        case .closingTunnels: BackendFixtures.stopping(policy.with { $0.idleWhen = .noClientData })
        case .stoppingIdle: BackendFixtures.stopping(policy)
        case .closingTunnelsByOperation: BackendFixtures.awake(policy).after(.operation(.stop))
        case .stoppingByOperation:
            BackendFixtures.awake(policy).after(.operation(.stop), .tunnelsDrained(Generation(number: 1)))
        case .stoppingForgiven: BackendFixtures.awake(policy).after(.exited(.status(1)))
        case .stoppingFailed: BackendFixtures.failing(policy)
        case .stoppingForShutdown: BackendFixtures.leaving(policy)
        case .stopOverdue: BackendFixtures.overdue(policy)
        case .backoff: BackendFixtures.backoff(policy)
        case .disabled: BackendFixtures.asleep(policy).after(.operation(.disable))
        case .shuttingDown: BackendFixtures.shuttingDown(policy)
        }
    }

    /// Events that are impossible here. Every other event is applied to the machine, so an event missing from a list
    /// traps. An exit test finds superfluous ones.
    var impossible: Set<LifecycleEvent> {
        let (start, gate, timers) = (LifecycleEvent.answersOfStart, LifecycleEvent.answersOfGate, LifecycleEvent.timers)
        let noProcess = LifecycleEvent.endsOfProcess
        return switch self {
        case .asleep, .disabled:
            start.union(gate).union(timers).union(noProcess).union([.shutdownForced])
        case .awaitingDependencies:
            start.subtracting([.dependenciesReady, .dependencyRefused, .dependenciesChanged]).union(gate)
                .union(timers).union(noProcess).union([.shutdownForced])
        case .checkingAddress:
            start.subtracting([.addressFree, .addressTaken, .dependenciesChanged]).union(gate).union(timers)
                .union(noProcess).union([.shutdownForced])
        case .spawning:
            start.subtracting([.spawned, .spawnFailed]).union(gate).union(timers).union(noProcess)
                .union([.shutdownForced, .shutdownRequested]).union(LifecycleEvent.operations)
        case .probing, .relistening:
            start.subtracting([.probeSucceeded]).union(gate).union(timers.subtracting([.startupTimer]))
                .union([.treeGone, .shutdownForced])
        case .awake:
            start.union(timers.subtracting([.idleTimer])).union([.treeGone, .shutdownForced])
        case .closingTunnels, .stoppingIdle, .stoppingForgiven, .stoppingFailed, .stoppingForShutdown,
            .closingTunnelsByOperation,
            .stoppingByOperation, .stopOverdue:
            start.union(gate).union(timers.subtracting([.stopStepTimer]))
        case .backoff:
            start.union(gate).union(timers.subtracting([.backoffTimer])).union(noProcess).union([.shutdownForced])
        case .shuttingDown:
            start.union(gate).union(timers).union(noProcess)
        }
    }

    var word: String { machine().state.name.rawValue }

    private var detail: String? {
        switch self {
        case .asleep, .awake, .backoff, .shuttingDown: nil
        case .awaitingDependencies: "its dependencies are made ready"
        case .disabled: "disabled"
        case .closingTunnelsByOperation: "by an operation, close frames sent"
        case .stoppingByOperation: "by an operation"
        case .checkingAddress: "is its address free?"
        case .spawning: "its process is created"
        case .probing: "does it accept connections?"
        case .relistening: "does it accept connections again?"
        case .closingTunnels: "idle, close frames sent to the remaining clients"
        case .stoppingIdle: "idle"
        case .stoppingForgiven: "crashed, forgiven"
        case .stoppingFailed: "failed, a backoff follows"
        case .stoppingForShutdown: "the daemon shuts down"
        case .stopOverdue: "the stop plan is over, and processes are left"
        }
    }

    var title: String { "`\(word)`" + (detail.map { " (\($0))" } ?? "") }
}

// MARK: Circumstances

/// An event, and a further condition if it makes a difference.
struct LifecycleCircumstance {
    var words = ""
    var machine: BackendMachine
    var event: BackendMachine.Event
    var now = noon

    init(_ words: String = "", _ machine: BackendMachine, _ event: LifecycleEvent) {
        self.init(words, machine, event.sample(machine.generation))
    }

    init(_ words: String, _ machine: BackendMachine, _ event: BackendMachine.Event) {
        (self.words, self.machine, self.event) = (words, machine, event)
    }
}

extension LifecyclePlace {
    /// Returns the circumstances of an event; empty for an impossible one.
    func circumstances(of event: LifecycleEvent) -> [LifecycleCircumstance] {
        guard !impossible.contains(event) else { return [] }
        switch self {
        case .awaitingDependencies, .checkingAddress, .spawning, .probing, .relistening: return whileStarting(event)
        case .awake: return whileReady(event)
        case .closingTunnels, .stoppingIdle, .stoppingForgiven, .closingTunnelsByOperation, .stoppingByOperation:
            return whileStoppingWithHope(event)
        case .stoppingForShutdown: return whileStoppingForShutdown(event)
        case .backoff where event == .backoffTimer:
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("with queued requests", resting(), event),
                LifecycleCircumstance("always on", machine(.neverIdle), event),
            ]
        case .backoff where event == .wanted: return hold(machine(), event) + afterLongRest(event)
        case .backoff where event == .wantedIfAwake:
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("with queued requests of other clients", resting(), event),
            ]
        case .backoff where [.abandoned, .stopOperation, .disableOperation, .shutdownRequested].contains(event):
            return [LifecycleCircumstance("with queued requests", resting(), event)]
        case .stoppingFailed where event == .wanted:
            let again = machine().after(.treeGone, .timerFired(.backoffTimer), .startRequested, .addressTaken)
            let third = again.after(
                .timerFired(.backoffTimer), .startRequested, .addressFree, .spawned, .exited(.status(1)))
            let words = "more than \(Limits.queuedRest.shortText) of backoff follow"
            return hold(machine(), event) + [LifecycleCircumstance(words, third, event)]
        case .stoppingFailed where event == .treeGone:
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("with queued requests", machine().after(.wanted(Ticket(number: 1))), event),
            ]
        case .disabled where event == .enableOperation:
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("always on", machine(.neverIdle), event),
            ]
        case .asleep where event == .wanted:
            let sleepy = Self.stoppingIdle.machine(BackendPolicy().with { $0.minimumSleep = .seconds(60) })
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("with a `min_sleep` of 1m, just asleep", sleepy.after(.treeGone), event),
            ]
        case .asleep, .disabled, .stoppingFailed, .stopOverdue, .backoff, .shuttingDown:
            return [LifecycleCircumstance("", machine(), event)]
        }
    }

    /// A client waits for the next start.
    private func resting() -> BackendMachine { machine().after(.wanted(Ticket(number: 1))) }

    private func afterLongRest(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        let policy = BackendPolicy().with { $0.backoff = RestartBackoff(first: .seconds(8)) }
        let words = "more than \(Limits.queuedRest.shortText) of the backoff are left"
        return [LifecycleCircumstance(words, machine(policy), event)]
    }

    private func whileStarting(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        switch event {
        case .wanted, .wantedIfAwake, .listenerMissing: hold(machine(), event)
        case .dependencyRefused:
            [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance(
                    "it is disabled", machine(), .dependencyRefused("redis", .disabled, retryAfter: .seconds(5))),
            ]
        case .probeSucceeded:
            [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("the queue is empty", machine().after(.abandoned(Ticket(number: 1))), event),
            ]
        default: [LifecycleCircumstance("", machine(), event)]
        }
    }

    private func whileReady(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        let usual = LifecycleCircumstance("", machine(), event)
        switch event {
        case .lastLeaseReturned:
            let slow = machine(BackendPolicy().with { $0.minimumUptime = .seconds(3600) })
            return [
                usual, LifecycleCircumstance("with a `min_uptime` of 1h, just started", slow, event),
                LifecycleCircumstance("always on, or `idle_timeout` is `\"0\"`", machine(.neverIdle), event),
            ] + ofEarlierLife(event)
        case .listenerMissing:
            let sent = LifecycleEvent.listenerMissing.sample(Generation(number: 1))
            var late = LifecycleCircumstance(
                "after its `startup_timeout`, and its request was sent", machine(),
                .listenerMissing(Ticket(number: 2), Generation(number: 1), wasSent: true))
            late.now = noon + machine().policy.startupTimeout
            return [LifecycleCircumstance("", machine(), sent), late] + ofEarlierLife(event)
        case .unpinOperation:
            let pinned = machine().after(.operation(.pin))
            return [
                LifecycleCircumstance("pinned", pinned, event), LifecycleCircumstance("not pinned", machine(), event),
            ]
        case .gateClosed:
            let lenient = machine(BackendPolicy().with { $0.idleWhen = .noClientData })
            return [usual, LifecycleCircumstance("`idle_when` is `no_client_data`", lenient, event)]
        case .exited:
            let limit = Limits.stableUptime
            let again = afterCrash()
            var late = LifecycleCircumstance("ready for \(limit.shortText) or longer", again, event)
            late.now = noon + limit
            return [
                LifecycleCircumstance("the first failure", machine(), event),
                LifecycleCircumstance(
                    "not the first failure, ready for less than \(limit.shortText)", again, event),
                late,
            ]
        default: return [usual]
        }
    }

    /// A new request is queued for the next start.
    private func whileStoppingWithHope(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        let held = machine().after(.wanted(Ticket(number: 1)))
        switch event {
        case .wanted where self == .closingTunnels || self == .stoppingIdle:
            let sleepy = machine(BackendPolicy().with { $0.minimumSleep = .seconds(60) })
            return hold(machine(), event) + [LifecycleCircumstance("with a `min_sleep` of 1m", sleepy, event)]
        case .wanted: return hold(machine(), event)
        case .wantedIfAwake:
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance("with queued requests of other clients", held, event),
            ]
        case .abandoned, .shutdownRequested, .disableOperation: return [LifecycleCircumstance("", held, event)]
        case .stopStepTimer where self == .stoppingIdle:
            let steps = 1..<machine().policy.stopPlan.overdueStep
            let last = steps.reduce(held) { machine, _ in machine.after(.timerFired(.stopStep)) }
            return [
                LifecycleCircumstance("", machine(), event),
                LifecycleCircumstance(
                    "\(Limits.stopGrace.shortText) after the stop plan, with queued requests", last, event),
            ]
        case .treeGone:
            let usual = [
                LifecycleCircumstance("", machine(), event), LifecycleCircumstance("with queued requests", held, event),
            ]
            if self == .stoppingForgiven {
                return usual + [LifecycleCircumstance("always on", machine(.neverIdle), event)]
            }
            if self == .closingTunnelsByOperation || self == .stoppingByOperation {
                let restart = machine().after(.operation(.restart))
                return usual + [LifecycleCircumstance("during a restart by an operation", restart, event)]
            }
            let policy = machine().policy
            let forgiven = afterCrash(policy).after(.timerFired(.idle), .gateClosed)
            return usual + [LifecycleCircumstance("after an earlier failure", forgiven, event)]
        case .tunnelsDrained where self == .closingTunnels || self == .closingTunnelsByOperation:
            return [LifecycleCircumstance("", machine(), event)] + ofEarlierLife(event)
        default: return [LifecycleCircumstance("", machine(), event)]
        }
    }

    private func whileStoppingForShutdown(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        let usual = LifecycleCircumstance("", machine(), event)
        let alsoIdle = Self.closingTunnels.machine().after(.shutdownRequested)
        let told = LifecycleCircumstance("the close frames were just sent", alsoIdle, event)
        return switch event {
        case .tunnelsDrained: [told] + ofEarlierLife(event)
        case .stopStepTimer, .shutdownForced: [told, usual]
        default: [usual]
        }
    }

    /// Ready again, with a failure in memory.
    private func afterCrash(_ policy: BackendPolicy = BackendPolicy()) -> BackendMachine {
        Self.stoppingForgiven.machine(policy).after(
            .treeGone, .wanted(Ticket(number: 1)), .addressFree, .spawned, .probeSucceeded)
    }

    private func hold(_ machine: BackendMachine, _ event: LifecycleEvent) -> [LifecycleCircumstance] {
        var full = machine
        for number in 1000..<1000 + UInt64(machine.policy.maximumQueue - machine.queueLength) {
            full = full.after(.wanted(Ticket(number: number)))
        }
        return [
            LifecycleCircumstance("", machine, event),
            LifecycleCircumstance("the queue has `max_queue` requests", full, event),
        ]
    }

    private func ofEarlierLife(_ event: LifecycleEvent) -> [LifecycleCircumstance] {
        var late = LifecycleCircumstance("of an earlier generation", machine(), event)
        late.event = event.sample(Generation(number: 0))
        return [late]
    }
}

extension BackendPolicy {
    fileprivate static var neverIdle: BackendPolicy { BackendPolicy().with { $0.alwaysOn = true } }

    fileprivate func with(_ change: (inout BackendPolicy) -> Void) -> BackendPolicy {
        var policy = self
        change(&policy)
        return policy
    }
}
