/// A backend that stops: tunnels, the steps of its stop plan, and its next start.
extension BackendMachine {
    mutating func beginStop(_ stop: Stop, _ now: Instant) -> [Effect] {
        state = .stopping(stop)
        return take(step: stop.step, now)
    }

    /// Sends close frames to open tunnels before any process gets a signal.
    mutating func closeTunnels(_ stop: Stop, _ reason: CloseReason, _ now: Instant) -> [Effect] {
        state = .stopping(stop)
        // Tunnels are closed by then; requests, which only an operation finds inside, may take longer.
        let closeHandshake = policy.closeJitter + Limits.closeTimeout
        let limit = now + (stop.cause == .operation ? max(closeHandshake, policy.drainTimeout) : closeHandshake)
        return [.closeTunnels(generation, reason, over: policy.closeJitter), .arm(.stopStep, at: limit)]
    }

    /// Gives up on an overdue stop: queued requests are refused, and KILL is repeated at a slow rate.
    func markOverdue(_ stop: inout Stop) -> [Effect] {
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

    func take(step: Int, _ now: Instant) -> [Effect] {
        let stopStep = policy.stopPlan.step(at: step)
        return [.signal(stopStep.signal), .arm(.stopStep, at: now + stopStep.timeout)]
    }

    mutating func whileStopping(
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
        case .operation(let operation):
            guard stop.cause != .shutdown else { return [] }
            stand(after: operation)
            return whileStopping(&stop, operation)
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

    mutating func whileStopping(_ stop: inout Stop, _ operation: BackendOperation) -> [Effect] {
        switch operation {
        case .start, .restart, .pin:
            guard standing != .disabled, stop.step < policy.stopPlan.overdueStep else { return [] }
            // An operation ends the backoff; the failure still counts.
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

    func hold(
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
        case .idle, .operation, .failure:
            // A queued client that may wake causes a start, so any other client may join.
            guard mayWake || startsAnyhow || !stop.queue.isEmpty else { return refuse([ticket], .wakeNotAllowed) }
            return queue(ticket, &stop.queue)
        }
    }

    func queue(_ ticket: Ticket, _ queue: inout [Ticket]) -> [Effect] {
        guard queue.count < policy.maximumQueue else { return [full(ticket)] }
        queue.append(ticket)
        return []
    }

    mutating func afterStop(_ stop: Stop, _ now: Instant, _ jitter: Double) -> [Effect] {
        switch stop.cause {
        case .shutdown:
            state = .shuttingDown
            return []
        case .failure(let reason, restAfter: true) where standing != .disabled:
            return backoffTimer(reason: reason, stop.queue, now, jitter)
        case .idle, .operation, .failure:
            if case .idle = stop.cause {
                failures = 0
                minSleepUntil = policy.minimumSleep > .zero ? now + policy.minimumSleep : nil
            }
            state = .asleep
            let isWanted = !stop.queue.isEmpty || stop.startsAgain || comesBack
            return isWanted ? beginStart(for: stop.queue) : []
        }
    }
}
