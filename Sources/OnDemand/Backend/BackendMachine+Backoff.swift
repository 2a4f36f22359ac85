/// A backend between a failure and its next start, and one of a daemon that shuts down.
extension BackendMachine {
    mutating func whileInBackoff(_ backoff: Backoff, _ event: Event, _ now: Instant) -> [Effect] {
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
        case .operation(let operation):
            stand(after: operation)
            return whileInBackoff(&backoff, operation)
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
    func join(_ backoff: inout Backoff, _ ticket: Ticket, mayWake: Bool, _ now: Instant) -> [Effect] {
        guard backoff.queues(at: now), mayWake || comesBack || !backoff.queue.isEmpty else {
            // At least 1 ms: the client may have asked just before the timer fires.
            let left = max(backoff.until - now, .milliseconds(1))
            return [.refuse([ticket], .backoff(reason: backoff.reason), retryAfter: left)]
        }
        return queue(ticket, &backoff.queue)
    }

    mutating func whileInBackoff(_ backoff: inout Backoff, _ operation: BackendOperation) -> [Effect] {
        switch operation {
        case .start, .restart, .pin:
            return [.disarm(.backoffTimer)] + beginStart(for: backoff.queue)
        case .disable:
            state = .asleep
            return [.disarm(.backoffTimer)] + refuse(backoff.queue, .disabled)
        case .stop:
            // The backoff applies to clients, not to operations.
            let queue = backoff.queue
            backoff.queue = []
            return refuse(queue, .stopped)
        case .unpin, .enable:
            return []
        }
    }

    func whileShuttingDown(_ event: Event) -> [Effect] {
        switch event {
        case .wanted(let ticket), .wantedIfAwake(let ticket), .listenerMissing(let ticket, _, _):
            refuse([ticket], .shuttingDown)
        case .abandoned, .lastLeaseReturned, .tunnelsDrained, .startRequested, .operation, .shutdownRequested,
            .shutdownForced:
            []
        case .dependenciesReady, .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawned,
            .spawnFailed, .probeSucceeded, .gateClosed, .gateBusy, .clientDataSeen, .timerFired, .exited, .treeGone:
            impossible(event)  // Nothing was requested and no process is left.
        }
    }
}
