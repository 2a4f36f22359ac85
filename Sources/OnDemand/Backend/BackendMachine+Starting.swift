/// A backend that starts: its dependencies, its address, its process and its probe.
extension BackendMachine {
    mutating func whileStarting(
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
        case (_, .operation(let operation)):
            return whileStarting(start, operation, now)
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

    mutating func join(_ start: Start, _ ticket: Ticket, wasSent: Bool = false) -> [Effect] {
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
    mutating func whileRelistening(
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
    mutating func whileAwaitingDependencies(_ start: Start, _ event: Event, _ now: Instant) -> [Effect] {
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

    func full(_ ticket: Ticket) -> Effect {
        .refuse([ticket], .queueFull(limit: policy.maximumQueue), retryAfter: .seconds(1))
    }

    func refuse(_ tickets: [Ticket], _ refusal: Refusal) -> [Effect] {
        tickets.isEmpty ? [] : [.refuse(tickets, refusal, retryAfter: refusal.usualRetry)]
    }

    mutating func whileStarting(_ start: Start, _ operation: BackendOperation, _ now: Instant) -> [Effect] {
        switch start.phase {
        case .awaitingDependencies, .checkingAddress: beforeProcess(start.queue, operation)
        case .spawning: impossible(.operation(operation))  // The spawn's result comes before other events.
        case .probing, .relistening: whileProbing(start.queue, operation, now)
        }
    }

    mutating func beforeProcess(_ queue: [Ticket], _ operation: BackendOperation) -> [Effect] {
        stand(after: operation)
        guard operation.endsIt else { return [] }
        state = .asleep
        return [.stopProbing] + refuse(queue, operation.refusal)
    }

    /// Handles events while probing. A stop rejects the queued requests; a restart keeps them.
    mutating func whileProbing(
        _ queue: [Ticket], _ operation: BackendOperation, _ now: Instant
    ) -> [Effect] {
        stand(after: operation)
        switch operation {
        case .start, .pin, .unpin, .enable:
            return []
        case .stop, .disable:
            return [.stopProbing, .disarm(.startup)] + refuse(queue, operation.refusal)
                + beginStop(Stop(cause: .operation, step: 0), now)
        case .restart:
            let stop = Stop(cause: .operation, step: 0, queue: queue, startsAgain: true)
            return [.stopProbing, .disarm(.startup)] + beginStop(stop, now)
        }
    }

    /// Fails a start after the spawn: rejects the queue at once, then stops the rest of the group.
    mutating func fail(
        _ refusal: Refusal, _ queue: [Ticket], exit: Exit?, _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        let delay = policy.backoff.delay(afterFailures: failures + 1, jitter: jitter)
        let told = queue.isEmpty ? [] : [Effect.refuse(queue, refusal, retryAfter: delay)]
        let cause = StopCause.failure(reason: refusal.sentence, restAfter: true)
        return told + beginStop(Stop(cause: cause, step: 0, exit: exit), now)
    }

    /// Enters backoff after a dependency failed. The failure counts for the dependency only; both may be retried at the
    /// same time. Where only an operator can help no timer runs: enabling the dependency is an event.
    mutating func backOff(
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
    mutating func backOff(
        after refusal: Refusal, refusing queue: [Ticket], _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        let effects = backoffTimer(reason: refusal.sentence, [], now, jitter)
        guard case .backoff(let backoff) = state, !queue.isEmpty else { return effects }
        return [.refuse(queue, refusal, retryAfter: backoff.until - now)] + effects
    }

    mutating func backoffTimer(
        reason: String, _ queue: [Ticket], _ now: Instant, _ jitter: Double
    ) -> [Effect] {
        failures += 1
        let until = now + policy.backoff.delay(afterFailures: failures, jitter: jitter)
        state = .backoff(Backoff(until: until, reason: reason, queue: queue))
        return [.arm(.backoffTimer, at: until)]
    }
}
