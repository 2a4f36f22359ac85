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
        case command
        case shutdown
        /// It exited by itself or never became ready; other processes of the group may remain.
        case failure(reason: String, restAfter: Bool)
    }

    /// The last operator command in effect; lost when the daemon restarts.
    enum AdminState: Equatable {
        case usual
        /// Kept awake with or without clients.
        case pinned
        /// Starts on demand only, even if it is always on.
        case stopped
        /// Never starts.
        case disabled
    }

    private(set) var policy: BackendPolicy
    private(set) var state = State.asleep
    /// The current or the most recent generation.
    private(set) var generation = Generation(number: 0)
    /// Deadline of the current start; set at the spawn.
    private(set) var startDeadline = Instant(nanoseconds: 0)
    /// Consecutive failed starts and early crashes.
    private(set) var failures = 0
    /// End of `min_sleep` after an idle stop; nil where any request may wake it.
    private(set) var minSleepUntil: Instant?
    private(set) var standing: AdminState

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

    private mutating func answer(_ event: Event, _ now: Instant, _ jitter: Double) -> [Effect] {
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
    private var isHoldingDependencies: Bool {
        switch state {
        case .starting, .awake, .stopping: !policy.requires.isEmpty
        case .asleep, .backoff, .shuttingDown: false
        }
    }

    private func impossible(_ event: Event) -> Never {
        preconditionFailure("\(event) cannot happen while \(state)")
    }

    // MARK: Asleep

    private mutating func whileAsleep(_ event: Event, _ now: Instant) -> [Effect] {
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
        case .command(let command):
            let wasDisabled = standing == .disabled
            stand(after: command)
            let isUp = wasDisabled ? command == .enable && policy.alwaysOn : command.wantsIt
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

    private mutating func beginStart(for tickets: [Ticket]) -> [Effect] {
        minSleepUntil = nil
        if standing == .stopped { standing = .usual }
        guard policy.requires.isEmpty else {
            state = .starting(Start(phase: .awaitingDependencies, queue: tickets))
            return [.acquireDependencies]
        }
        state = .starting(Start(phase: .checkingAddress, queue: tickets))
        return [.checkAddress]
    }

    // MARK: Starting

    private mutating func whileStarting(
        _ start: Start, _ event: Event, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        var start = start
        switch (start.phase, event) {
        case (_, .wanted(let ticket)), (_, .wantedIfAwake(let ticket)):
            return join(start, ticket)
        case (_, .listenerMissing(let ticket, _, let wasSent)):
            return join(start, ticket, wasSent: wasSent)
        case (_, .abandoned(let ticket)):
            // Continue the start: other clients may be queued, and a client that left often comes back.
            start.queue.removeAll { $0 == ticket }
            state = .starting(start)
            return []
        case (_, .dependenciesReady), (_, .dependencyRefused), (_, .dependenciesChanged):
            return whileAwaitingDependencies(start, event, now)
        case (.checkingAddress, .addressFree):
            generation = generation.next
            state = .starting(Start(phase: .spawning, queue: start.queue))
            return [.spawn(generation)]
        case (.checkingAddress, .addressTaken):
            return backOff(after: .addressTaken, refusing: start.queue, now, jitter)
        case (.spawning, .spawned):
            state = .starting(Start(phase: .probing(since: now), queue: start.queue))
            startDeadline = now + policy.startupTimeout
            return [.arm(.startup, at: startDeadline), .startProbing]
        case (.spawning, .spawnFailed(let error)):
            return backOff(after: .spawnFailed(error), refusing: start.queue, now, jitter)
        case (.probing, .probeSucceeded):
            state = .awake(since: now)
            return [.disarm(.startup), .openGate(generation, leases: start.queue.count)]
                + (start.queue.isEmpty ? armIdle(from: now, readySince: now) : [.admit(start.queue, generation)])
        case (.relistening(let readySince, let suspects), .probeSucceeded),
            (.relistening(let readySince, let suspects), .exited):
            return whileRelistening(start.queue, readySince, suspects, event, now, jitter)
        case (.probing, .timerFired(.startup)), (.relistening, .timerFired(.startup)):
            return [.stopProbing]
                + fail(.startTimedOut(after: policy.startupTimeout), start.queue, exit: nil, now, jitter)
        case (.probing, .exited(let exit)):
            return [.stopProbing, .disarm(.startup)]
                + fail(.exitedEarly(exit), start.queue, exit: exit, now, jitter)
        case (.probing, .shutdownRequested), (.relistening, .shutdownRequested):
            return [.stopProbing, .disarm(.startup)] + refuse(start.queue, .shuttingDown)
                + beginStop(Stop(cause: .shutdown, step: 0), now)
        case (.awaitingDependencies, .shutdownRequested), (.checkingAddress, .shutdownRequested):
            state = .shuttingDown
            return [.stopProbing] + refuse(start.queue, .shuttingDown)
        case (_, .command(let command)):
            return whileStarting(start, command, now)
        case (_, .lastLeaseReturned), (_, .tunnelsDrained), (_, .startRequested):
            return []  // Of an earlier generation; or already under way.
        case (.spawning, .shutdownRequested):
            impossible(event)  // The spawn's result comes before other events.
        case (_, .addressFree), (_, .addressTaken), (_, .spawned), (_, .spawnFailed), (_, .probeSucceeded),
            (_, .gateClosed), (_, .gateBusy), (_, .clientDataSeen), (_, .timerFired), (_, .exited), (_, .treeGone),
            (_, .shutdownForced):
            impossible(event)  // Each occurs in one phase only; the leader exits before its group ends.
        }
    }

    private mutating func join(_ start: Start, _ ticket: Ticket, wasSent: Bool = false) -> [Effect] {
        var start = start
        guard start.queue.count < policy.maximumQueue else { return [full(ticket)] }
        start.queue.append(ticket)
        if case .relistening(let since, let suspects) = start.phase, wasSent {
            start.phase = .relistening(readySince: since, suspects: suspects + [ticket])
        }
        state = .starting(start)
        return []
    }

    /// Handles events until it listens again or ends.
    private mutating func whileRelistening(
        _ queue: [Ticket], _ since: Instant, _ suspects: [Ticket], _ event: Event, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        if case .exited(let exit) = event {
            return [.stopProbing, .disarm(.startup), .closeGateByForce]
                + crash(exit, since, queue, suspects, now, jitter)
        }
        state = .awake(since: since)
        return [.disarm(.startup), .openGate(generation, leases: queue.count)]
            + (queue.isEmpty ? armIdle(from: now, readySince: since) : [.admit(queue, generation)])
    }

    /// Handles events of the phase before there is a process.
    private mutating func whileAwaitingDependencies(_ start: Start, _ event: Event, _ now: Instant) -> [Effect] {
        switch (start.phase, event) {
        case (.awaitingDependencies, .dependenciesReady):
            state = .starting(Start(phase: .checkingAddress, queue: start.queue))
            return [.checkAddress]
        case (.awaitingDependencies, .dependencyRefused(let name, let refusal, let retryAfter)):
            return backOff(after: .dependencyFailed(name, refusal), for: retryAfter, start.queue, now)
        case (.awaitingDependencies, .dependenciesChanged), (.checkingAddress, .dependenciesChanged):
            return beginStart(for: start.queue)
        case (.checkingAddress, _), (.awaitingDependencies, _), (.spawning, _), (.probing, _), (.relistening, _):
            impossible(event)  // Dependencies are requested before there is a process, and answered once.
        }
    }

    private func full(_ ticket: Ticket) -> Effect {
        .refuse([ticket], .queueFull(limit: policy.maximumQueue), retryAfter: .seconds(1))
    }

    private func refuse(_ tickets: [Ticket], _ refusal: Refusal) -> [Effect] {
        tickets.isEmpty ? [] : [.refuse(tickets, refusal, retryAfter: refusal.usualRetry)]
    }

    private mutating func whileStarting(_ start: Start, _ command: BackendCommand, _ now: Instant) -> [Effect] {
        switch start.phase {
        case .awaitingDependencies, .checkingAddress: beforeProcess(start.queue, command)
        case .spawning: impossible(.command(command))  // The spawn's result comes before other events.
        case .probing, .relistening: whileProbing(start.queue, command, now)
        }
    }

    private mutating func beforeProcess(_ queue: [Ticket], _ command: BackendCommand) -> [Effect] {
        stand(after: command)
        guard command.endsIt else { return [] }
        state = .asleep
        return [.stopProbing] + refuse(queue, command.refusal)
    }

    /// Handles events while probing. A stop rejects the queued requests; a restart keeps them.
    private mutating func whileProbing(
        _ queue: [Ticket], _ command: BackendCommand, _ now: Instant
    ) -> [Effect] {
        stand(after: command)
        switch command {
        case .start, .pin, .unpin, .enable:
            return []
        case .stop, .disable:
            return [.stopProbing, .disarm(.startup)] + refuse(queue, command.refusal)
                + beginStop(Stop(cause: .command, step: 0), now)
        case .restart:
            let stop = Stop(cause: .command, step: 0, queue: queue, startsAgain: true)
            return [.stopProbing, .disarm(.startup)] + beginStop(stop, now)
        }
    }

    /// Fails a start after the spawn: rejects the queue at once, then stops the rest of the group.
    private mutating func fail(
        _ refusal: Refusal, _ queue: [Ticket], exit: Exit?, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        let delay = policy.backoff.delay(afterFailures: failures + 1, jitter: jitter)
        let told = queue.isEmpty ? [] : [Effect.refuse(queue, refusal, retryAfter: delay)]
        let cause = StopCause.failure(reason: refusal.sentence, restAfter: true)
        return told + beginStop(Stop(cause: cause, step: 0, exit: exit), now)
    }

    /// Enters backoff after a dependency failed. The failure counts for the dependency only; both may be retried at the
    /// same time. Where only an operator can help no timer runs: enabling the dependency is an event.
    private mutating func backOff(
        after refusal: Refusal, for pause: Duration, _ queue: [Ticket], _ now: Instant
    ) -> [Effect] {
        let told = queue.isEmpty ? [] : [Effect.refuse(queue, refusal, retryAfter: pause)]
        guard !refusal.needsOperator else {
            state = .asleep
            return told
        }
        state = .backoff(Backoff(until: now + pause, reason: refusal.sentence))
        return told + [.arm(.backoffTimer, at: now + pause)]
    }

    /// Enters backoff after a start that failed before there was a process.
    private mutating func backOff(
        after refusal: Refusal, refusing queue: [Ticket], _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        let effects = backoffTimer(reason: refusal.sentence, [], now, jitter)
        guard case .backoff(let backoff) = state, !queue.isEmpty else { return effects }
        return [.refuse(queue, refusal, retryAfter: backoff.until - now)] + effects
    }

    private mutating func backoffTimer(
        reason: String, _ queue: [Ticket], _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        failures += 1
        let until = now + policy.backoff.delay(afterFailures: failures, jitter: jitter)
        state = .backoff(Backoff(until: until, reason: reason, queue: queue))
        return [.arm(.backoffTimer, at: until)]
    }

    // MARK: Awake

    private mutating func whileAwake(
        _ since: Instant, _ event: Event, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        switch event {
        case .wanted(let ticket), .wantedIfAwake(let ticket):
            // It found the gate closed and asked while `admitted` was on its way.
            return [.enterGate, .admit([ticket], generation)]
        case .lastLeaseReturned(let returned):
            return returned == generation ? armIdle(from: now, readySince: since) : []
        case .timerFired(.idle):
            return [.tryCloseGate]  // May fail, so the state waits for the result.
        case .gateBusy:
            return []  // A client has entered; the last returned lease restarts the timeout.
        case .clientDataSeen(let instant):
            return armIdle(from: instant, readySince: since)
        case .gateClosed where policy.hasUncountedConnections:
            let reason = policy.minimumSleep > .zero ? CloseReason.staysAway : .goingAway
            return closeTunnels(Stop(cause: .idle, step: Stop.closingTunnels), reason, now)
        case .gateClosed:
            return beginStop(Stop(cause: .idle, step: 0), now)
        case .listenerMissing(let ticket, let found, let wasSent):
            guard found == generation else { return [.enterGate, .admit([ticket], generation)] }
            return loseListener(since, ticket, wasSent, now)
        case .exited(let exit):
            return [.disarm(.idle), .closeGateByForce] + crash(exit, since, [], [], now, jitter)
        case .command(let command):
            let wasPinned = standing == .pinned
            stand(after: command)
            return whileAwake(since, command, wasPinned: wasPinned, now)
        case .shutdownRequested:
            return [.disarm(.idle), .closeGateByForce] + beginStop(Stop(cause: .shutdown, step: 0), now)
        case .abandoned, .tunnelsDrained, .startRequested:
            return []  // Posted before the reply was read; others may come; already up.
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged,  // only while starting
            .addressFree, .addressTaken, .spawned, .spawnFailed, .probeSucceeded,
            .timerFired,  // disarmed on the way here
            .treeGone,  // the leader's own exit comes first
            .shutdownForced:  // only while stopping
            impossible(event)
        }
    }

    /// Returns to probing within the rest of the startup timeout; a process that had been ready for longer gets another
    /// one.
    private mutating func loseListener(
        _ since: Instant, _ ticket: Ticket, _ wasSent: Bool, _ now: Instant
    ) -> [Effect] {
        let isBooting = now < startDeadline
        guard isBooting || !wasSent else {
            // It accepts and never responds for a whole startup timeout.
            return refuse([ticket], .startTimedOut(after: policy.startupTimeout))
        }
        let phase = Start.Phase.relistening(readySince: since, suspects: wasSent ? [ticket] : [])
        state = .starting(Start(phase: phase, queue: [ticket]))
        let limit = isBooting ? startDeadline : now + policy.startupTimeout
        return [.disarm(.idle), .suspendGate, .arm(.startup, at: limit), .probeAgain]
    }

    /// Handles a crash. `waiting` are queued for the next start, except for the suspects, whose requests may have
    /// caused it.
    private mutating func crash(
        _ exit: Exit, _ since: Instant, _ queue: [Ticket], _ suspects: [Ticket], _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        // A backend without restarts may have finished its work.
        let isDone = !policy.restarts && exit == .status(0)
        let stable = isDone || now - since >= Limits.stableUptime
        if stable { failures = 0 }
        // After the first crash the next request starts it at once; then the backoff grows.
        let rests = failures > 0
        let cause = StopCause.failure(reason: "ended unexpectedly", restAfter: rests)
        let restIsLong = rests && policy.backoff.delay(afterFailures: failures + 1, jitter: 0) > Limits.queuedRest
        let refused = queue.filter { restIsLong || suspects.contains($0) }
        let queued = queue.filter { !refused.contains($0) }
        let delay = policy.backoff.delay(afterFailures: failures + 1, jitter: jitter)
        if failures == 0 && !stable { failures = 1 }
        let told = refused.isEmpty ? [] : [Effect.refuse(refused, .exitedEarly(exit), retryAfter: delay)]
        return told + beginStop(Stop(cause: cause, step: 0, exit: exit, queue: queued), now)
    }

    private mutating func whileAwake(
        _ since: Instant, _ command: BackendCommand, wasPinned: Bool, _ now: Instant
    ) -> [Effect] {
        switch command {
        case .start, .enable:
            return []
        case .pin:
            return [.disarm(.idle)]
        case .unpin:
            // With leases the gate stays open, and the last returned lease starts the timeout.
            return wasPinned ? armIdle(from: now, readySince: since) : []
        case .stop, .disable:
            let stop = Stop(cause: .command, step: Stop.closingTunnels)
            return [.disarm(.idle), .closeGate] + closeTunnels(stop, .goingAway, now)
        case .restart:
            let stop = Stop(cause: .command, step: Stop.closingTunnels, startsAgain: true)
            return [.disarm(.idle), .closeGate] + closeTunnels(stop, .restarts, now)
        }
    }

    private func armIdle(from quiet: Instant, readySince since: Instant) -> [Effect] {
        guard let idle = policy.idleTimeout, !policy.alwaysOn, standing != .pinned else { return [] }
        return [.arm(.idle, at: max(quiet + idle, since + policy.minimumUptime))]
    }

    // MARK: Stopping

    private mutating func beginStop(_ stop: Stop, _ now: Instant) -> [Effect] {
        state = .stopping(stop)
        return take(step: stop.step, now)
    }

    /// Sends close frames to open tunnels before any process gets a signal.
    private mutating func closeTunnels(_ stop: Stop, _ reason: CloseReason, _ now: Instant) -> [Effect] {
        state = .stopping(stop)
        // Tunnels are closed by then; requests, which only a command finds inside, may take longer.
        let closeHandshake = policy.closeJitter + Limits.closeTimeout
        let limit = now + (stop.cause == .command ? max(closeHandshake, policy.drainTimeout) : closeHandshake)
        return [.closeTunnels(generation, reason, over: policy.closeJitter), .arm(.stopStep, at: limit)]
    }

    /// Gives up on an overdue stop: queued requests are refused, and KILL is repeated at a slow rate.
    private func markOverdue(_ stop: inout Stop) -> [Effect] {
        guard stop.step == policy.stopPlan.overdueStep else { return [] }
        let queue = stop.queue
        stop.queue = []
        stop.startsAgain = false
        return refuse(queue, .stopTimedOut)
    }

    /// Whether the stop plan and its grace are over and processes are left.
    var isStopOverdue: Bool {
        guard case .stopping(let stop) = state else { return false }
        return stop.step >= policy.stopPlan.overdueStep
    }

    private func take(step: Int, _ now: Instant) -> [Effect] {
        let command = policy.stopPlan.step(at: step)
        return [.signal(command.signal), .arm(.stopStep, at: now + command.timeout)]
    }

    private mutating func whileStopping(
        _ stop: Stop, _ event: Event, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        var stop = stop
        defer { if case .stopping = state { state = .stopping(stop) } }
        switch event {
        case .wanted(let ticket), .listenerMissing(let ticket, _, _):
            return hold(ticket, mayWake: true, &stop, now, jitter)
        case .wantedIfAwake(let ticket):
            return hold(ticket, mayWake: false, &stop, now, jitter)
        case .abandoned(let ticket):
            stop.queue.removeAll { $0 == ticket }
            return []
        case .timerFired(.stopStep), .shutdownForced:
            stop.step += 1
            return markOverdue(&stop) + take(step: stop.step, now)
        case .exited(let exit):
            stop.exit = exit
            return []
        case .treeGone:
            return [.disarm(.stopStep), .endGeneration(generation)] + afterStop(stop, now, jitter)
        case .command(let command):
            guard stop.cause != .shutdown else { return [] }
            stand(after: command)
            return whileStopping(&stop, command)
        case .shutdownRequested:
            let queue = stop.queue
            stop.queue = []
            stop.cause = .shutdown
            return refuse(queue, .shuttingDown)
        case .tunnelsDrained(let ended) where ended == generation && stop.step == Stop.closingTunnels:
            stop.step = 0
            return take(step: 0, now)
        case .lastLeaseReturned, .tunnelsDrained, .startRequested:
            return []  // Posted before the gate closed; an always-on backend starts again by itself.
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged,  // only while starting
            .addressFree, .addressTaken, .spawned, .spawnFailed, .probeSucceeded,
            .gateClosed, .gateBusy, .clientDataSeen, .timerFired:  // Requested and armed only while awake.
            impossible(event)
        }
    }

    private mutating func whileStopping(_ stop: inout Stop, _ command: BackendCommand) -> [Effect] {
        switch command {
        case .start, .restart, .pin:
            guard standing != .disabled, stop.step < policy.stopPlan.overdueStep else { return [] }
            // A command ends the backoff; the failure still counts.
            if case .failure(let reason, restAfter: true) = stop.cause {
                failures += 1
                stop.cause = .failure(reason: reason, restAfter: false)
            }
            stop.startsAgain = true
            return []
        case .stop:
            stop.startsAgain = false
            return []
        case .disable:
            let queue = stop.queue
            stop.queue = []
            stop.startsAgain = false
            return refuse(queue, .disabled)
        case .unpin, .enable:
            return []
        }
    }

    private func hold(
        _ ticket: Ticket, mayWake: Bool, _ stop: inout Stop, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        let startsAnyhow = stop.startsAgain || comesBack
        switch stop.cause {
        case .shutdown:
            return refuse([ticket], .shuttingDown)
        case _ where standing == .disabled:
            return refuse([ticket], .disabled)
        case _ where stop.step >= policy.stopPlan.overdueStep:
            return refuse([ticket], .stopTimedOut)
        case .failure(let reason, restAfter: true):
            // Without jitter, which is drawn when the backoff begins.
            let longest = policy.backoff.delay(afterFailures: failures + 1, jitter: 0)
            guard longest <= Limits.queuedRest, mayWake || startsAnyhow || !stop.queue.isEmpty else {
                let delay = policy.backoff.delay(afterFailures: failures + 1, jitter: jitter)
                return [.refuse([ticket], .backoff(reason: reason), retryAfter: delay)]
            }
            return queue(ticket, &stop.queue)
        case .idle where policy.minimumSleep > .zero && !startsAnyhow:
            return [.refuse([ticket], .minSleep, retryAfter: policy.minimumSleep)]
        case .idle, .command, .failure:
            // A queued client that may wake causes a start, so any other client may join.
            guard mayWake || startsAnyhow || !stop.queue.isEmpty else { return refuse([ticket], .wakeNotAllowed) }
            return queue(ticket, &stop.queue)
        }
    }

    private func queue(_ ticket: Ticket, _ queue: inout [Ticket]) -> [Effect] {
        guard queue.count < policy.maximumQueue else { return [full(ticket)] }
        queue.append(ticket)
        return []
    }

    private mutating func afterStop(_ stop: Stop, _ now: Instant, _ jitter: Double) -> [Effect] {
        switch stop.cause {
        case .shutdown:
            state = .shuttingDown
            return []
        case .failure(let reason, restAfter: true) where standing != .disabled:
            return backoffTimer(reason: reason, stop.queue, now, jitter)
        case .idle, .command, .failure:
            if case .idle = stop.cause {
                failures = 0
                minSleepUntil = policy.minimumSleep > .zero ? now + policy.minimumSleep : nil
            }
            state = .asleep
            let isWanted = !stop.queue.isEmpty || stop.startsAgain || comesBack
            return isWanted ? beginStart(for: stop.queue) : []
        }
    }

    // MARK: Backoff and shutdown

    private mutating func whileInBackoff(_ backoff: Backoff, _ event: Event, _ now: Instant) -> [Effect] {
        var backoff = backoff
        defer { if case .backoff = state { state = .backoff(backoff) } }
        switch event {
        case .wanted(let ticket), .listenerMissing(let ticket, _, _):
            return join(&backoff, ticket, mayWake: true, now)
        case .wantedIfAwake(let ticket):
            return join(&backoff, ticket, mayWake: false, now)
        case .abandoned(let ticket):
            backoff.queue.removeAll { $0 == ticket }
            return []
        case .timerFired(.backoffTimer):
            state = .asleep
            return comesBack || !backoff.queue.isEmpty ? beginStart(for: backoff.queue) : []
        case .command(let command):
            stand(after: command)
            return whileInBackoff(&backoff, command)
        case .shutdownRequested:
            state = .shuttingDown
            return [.disarm(.backoffTimer)] + refuse(backoff.queue, .shuttingDown)
        case .lastLeaseReturned, .tunnelsDrained, .startRequested:
            return []  // Posted before the reply was read; the timer decides when it starts.
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawned,
            .spawnFailed, .probeSucceeded, .gateClosed, .gateBusy, .clientDataSeen, .timerFired, .exited, .treeGone,
            .shutdownForced:
            impossible(event)  // No process, no gate, one timer.
        }
    }

    /// Queues a client near the end of the backoff; refuses it with the remaining time otherwise.
    private func join(_ backoff: inout Backoff, _ ticket: Ticket, mayWake: Bool, _ now: Instant) -> [Effect] {
        guard backoff.queues(at: now), mayWake || comesBack || !backoff.queue.isEmpty else {
            // At least 1 ms: the client may have asked just before the timer fires.
            let left = max(backoff.until - now, .milliseconds(1))
            return [.refuse([ticket], .backoff(reason: backoff.reason), retryAfter: left)]
        }
        return queue(ticket, &backoff.queue)
    }

    private mutating func whileInBackoff(_ backoff: inout Backoff, _ command: BackendCommand) -> [Effect] {
        switch command {
        case .start, .restart, .pin:
            return [.disarm(.backoffTimer)] + beginStart(for: backoff.queue)
        case .disable:
            state = .asleep
            return [.disarm(.backoffTimer)] + refuse(backoff.queue, .disabled)
        case .stop:
            // The backoff applies to clients, not to commands.
            let queue = backoff.queue
            backoff.queue = []
            return refuse(queue, .stopped)
        case .unpin, .enable:
            return []
        }
    }

    private func whileShuttingDown(_ event: Event) -> [Effect] {
        switch event {
        case .wanted(let ticket), .wantedIfAwake(let ticket), .listenerMissing(let ticket, _, _):
            refuse([ticket], .shuttingDown)
        case .abandoned, .lastLeaseReturned, .tunnelsDrained, .startRequested, .command, .shutdownRequested,
            .shutdownForced:
            []
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawned,
            .spawnFailed, .probeSucceeded, .gateClosed, .gateBusy, .clientDataSeen, .timerFired, .exited, .treeGone:
            impossible(event)  // Nothing was requested and no process is left.
        }
    }
}

// MARK: - Commands

extension BackendMachine {
    /// Records the command as the admin state. A disabled backend must be enabled first.
    private mutating func stand(after command: BackendCommand) {
        switch (standing, command) {
        case (_, .disable): standing = .disabled
        case (.disabled, .enable), (.pinned, .unpin): standing = .usual
        case (.disabled, _), (_, .start), (_, .restart), (_, .enable), (_, .unpin): break
        case (_, .pin): standing = .pinned
        case (_, .stop): standing = .stopped
        }
    }
}

extension BackendCommand {
    fileprivate var endsIt: Bool {
        switch self {
        case .stop, .disable: true
        case .start, .restart, .pin, .unpin, .enable: false
        }
    }

    /// The refusal of queued requests after this command.
    fileprivate var refusal: Refusal { self == .disable ? .disabled : .stopped }
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
