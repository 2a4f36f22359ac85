/// An awake backend: leases, the idle timer, a lost listener and a crash.
extension BackendMachine {
    mutating func whileAwake(
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
        case .operation(let operation):
            let wasPinned = standing == .pinned
            stand(after: operation)
            return whileAwake(since, operation, wasPinned: wasPinned, now)
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
    mutating func loseListener(
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
    mutating func crash(
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

    mutating func whileAwake(
        _ since: Instant, _ operation: BackendOperation, wasPinned: Bool, _ now: Instant
    ) -> [Effect] {
        switch operation {
        case .start, .enable:
            return []
        case .pin:
            return [.disarm(.idle)]
        case .unpin:
            // With leases the gate stays open, and the last returned lease starts the timeout.
            return wasPinned ? armIdle(from: now, readySince: since) : []
        case .stop, .disable:
            let stop = Stop(cause: .operation, step: Stop.closingTunnels)
            return [.disarm(.idle), .closeGate] + closeTunnels(stop, .goingAway, now)
        case .restart:
            let stop = Stop(cause: .operation, step: Stop.closingTunnels, startsAgain: true)
            return [.disarm(.idle), .closeGate] + closeTunnels(stop, .restarts, now)
        }
    }

    func armIdle(from quiet: Instant, readySince since: Instant) -> [Effect] {
        guard let idle = policy.idleTimeout, !policy.alwaysOn, standing != .pinned else { return [] }
        return [.arm(.idle, at: max(quiet + idle, since + policy.minimumUptime))]
    }
}
