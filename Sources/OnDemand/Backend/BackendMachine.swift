/// The lifecycle of one backend as a pure state machine.
///
/// States: `asleep` (no process), `starting`, `awake` (accepts connections), `stopping`, `backoff` after a failure, and
/// `shuttingDown` at the end. A start passes dependencies, address check, spawn and probing. An awake backend whose
/// listener disappears returns to probing.
///
/// Events come from clients, timers, the gate, the process and operators. `apply` returns effects, which the driver
/// performs in order. An effect that can fail comes back as an event, so the state changes on the result and not on the
/// attempt.
///
/// Invariants: every queued ticket is admitted or refused exactly once, unless it is abandoned. A generation ends
/// before the next one begins. Dependencies are held from the start until no process is left.
///
/// Example: `wanted` while asleep queues the ticket and starts; `probeSucceeded` opens the gate and admits the queue;
/// the last lease arms the idle timer; its expiry closes the gate and begins the stop plan.
struct BackendMachine {
    enum State: Equatable {
        /// No process and no timer.
        case asleep
        case starting(Start)
        /// Accepts connections; its gate counts the leases.
        case awake(since: Instant)
        case stopping(Stop)
        /// A start failed or a crash came too soon: no start before the timer fires.
        case backoff(Backoff)
        /// The daemon shuts down: nothing starts any more.
        case shuttingDown
    }

    struct Start: Equatable {
        enum Phase: Equatable {
            /// Its dependencies are made ready first.
            case awaitingDependencies
            /// Checks that the address is free: a foreign listener must not get the clients.
            case checkingAddress
            case spawning
            case probing(since: Instant)
            /// Was ready, and its process lives, but its address has no listener: the server tests its port before it
            /// starts, or has executed itself again. The requests of the suspects had been sent.
            case relistening(readySince: Instant, suspects: [Ticket])
        }
        var phase: Phase
        var queue: [Ticket]
    }

    struct Stop: Equatable {
        var cause: StopCause
        /// Index of the current step of the stop plan.
        var step: Int
        /// Before the first step: tunnels get close frames and time to close.
        static let closingTunnels = -1
        /// Exit of the group's leader; nil while it runs.
        var exit: Exit?
        /// Clients that arrived since; they wait for the next start.
        var queue: [Ticket] = []
        /// Whether an operator wants it started again, with or without clients.
        var startsAgain = false
    }

    /// The backoff between a failure and the next start.
    struct Backoff: Equatable {
        let until: Instant
        let reason: String
        /// Requests queued for the next start, accepted only in the last `Limits.queuedRest` of the backoff.
        var queue: [Ticket] = []

        func queues(at now: Instant) -> Bool { until - now <= Limits.queuedRest }
    }

    enum StopCause: Equatable {
        case idle
        case operation
        case shutdown
        /// It exited by itself or never became ready; other processes of the group may remain.
        case failure(reason: String, restAfter: Bool)
    }

    /// The operator's last operation in effect; lost when the daemon restarts.
    enum AdminState: Equatable {
        case usual
        /// Kept awake with or without clients.
        case pinned
        /// Starts on demand only, even if it is always on.
        case stopped
        /// Never starts.
        case disabled
    }

    var policy: BackendPolicy
    var state = State.asleep
    /// The current or the most recent generation.
    var generation = Generation(number: 0)
    /// Deadline of the current start; set at the spawn.
    var startDeadline = Instant(nanoseconds: 0)
    /// Consecutive failed starts and early crashes.
    var failures = 0
    /// End of `min_sleep` after an idle stop; nil where any request may wake it.
    var minSleepUntil: Instant?
    var standing: AdminState

    init(policy: BackendPolicy, standing: AdminState = .usual) {
        self.policy = policy
        self.standing = standing
    }

    /// Whether it starts again by itself after any end.
    var comesBack: Bool { standing == .pinned || (standing == .usual && policy.comesBack) }

    /// Takes a new policy, for the next generation.
    mutating func update(_ policy: BackendPolicy) { self.policy = policy }

    /// Takes the timing of closing tunnels; it concerns no process, so it applies at once.
    mutating func update(closeJitter: Duration, drainTimeout: Duration) {
        (policy.closeJitter, policy.drainTimeout) = (closeJitter, drainTimeout)
    }

    /// Applies an event. `jitter` in 0..<1 spreads the backoffs of several backends; the machine has no source of
    /// randomness.
    mutating func apply(_ event: Event, at now: Instant, jitter: Double = 0) -> [Effect] {
        let wasHolding = isHoldingDependencies
        let effects = answer(event, now, jitter)
        return wasHolding && !isHoldingDependencies ? effects + [.releaseDependencies] : effects
    }

    mutating func answer(_ event: Event, _ now: Instant, _ jitter: Double) -> [Effect] {
        switch state {
        case .asleep: whileAsleep(event, now)
        case .starting(let start): whileStarting(start, event, now, jitter)
        case .awake(let since): whileAwake(since, event, now, jitter)
        case .stopping(let stop): whileStopping(stop, event, now, jitter)
        case .backoff(let backoff): whileInBackoff(backoff, event, now)
        case .shuttingDown: whileShuttingDown(event)
        }
    }

    /// Whether dependencies are held: from the start until no process is left.
    var isHoldingDependencies: Bool {
        switch state {
        case .starting, .awake, .stopping: !policy.requires.isEmpty
        case .asleep, .backoff, .shuttingDown: false
        }
    }

    func impossible(_ event: Event) -> Never {
        preconditionFailure("\(event) cannot happen while \(state)")
    }

    // MARK: Asleep

    mutating func whileAsleep(_ event: Event, _ now: Instant) -> [Effect] {
        switch event {
        case .wanted(let ticket), .listenerMissing(let ticket, _, _):
            if standing == .disabled { return refuse([ticket], .disabled) }
            if let until = minSleepUntil, until > now {
                return [.refuse([ticket], .minSleep, retryAfter: until - now)]
            }
            return beginStart(for: [ticket])
        case .wantedIfAwake(let ticket):
            return refuse([ticket], standing == .disabled ? .disabled : .wakeNotAllowed)
        case .startRequested:
            return standing == .disabled ? [] : beginStart(for: [])
        case .operation(let operation):
            let wasDisabled = standing == .disabled
            stand(after: operation)
            let isUp = wasDisabled ? operation == .enable && policy.alwaysOn : operation.wantsIt
            return isUp ? beginStart(for: []) : []
        case .shutdownRequested:
            state = .shuttingDown
            return []
        case .abandoned, .lastLeaseReturned, .tunnelsDrained:
            return []  // Posted before the reply was read.
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged,  // requested only while starting
            .addressFree, .addressTaken, .spawned, .spawnFailed, .probeSucceeded,
            .gateClosed, .gateBusy, .clientDataSeen, .timerFired,  // no gate to close, no timer armed
            .exited, .treeGone,  // no process
            .shutdownForced:  // only while stopping
            impossible(event)
        }
    }

    mutating func beginStart(for tickets: [Ticket]) -> [Effect] {
        minSleepUntil = nil
        if standing == .stopped { standing = .usual }
        guard policy.requires.isEmpty else {
            state = .starting(Start(phase: .awaitingDependencies, queue: tickets))
            return [.acquireDependencies]
        }
        state = .starting(Start(phase: .checkingAddress, queue: tickets))
        return [.checkAddress]
    }
}

extension BackendMachine {
    /// Records the operation as the admin state. A disabled backend must be enabled first.
    mutating func stand(after operation: BackendOperation) {
        switch (standing, operation) {
        case (_, .disable): standing = .disabled
        case (.disabled, .enable), (.pinned, .unpin): standing = .usual
        case (.disabled, _), (_, .start), (_, .restart), (_, .enable), (_, .unpin): break
        case (_, .pin): standing = .pinned
        case (_, .stop): standing = .stopped
        }
    }
}

extension BackendMachine {
    /// Number of queued clients.
    var queueLength: Int {
        switch state {
        case .starting(let start): start.queue.count
        case .stopping(let stop): stop.queue.count
        case .backoff(let backoff): backoff.queue.count
        case .asleep, .awake, .shuttingDown: 0
        }
    }
}
