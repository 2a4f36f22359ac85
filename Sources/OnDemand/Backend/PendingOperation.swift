/// An operation whose end an operator waits for.
struct PendingOperation: Equatable {
    let ticket: Ticket
    let operation: BackendOperation
    /// The generation at the time of the operation; a restart needs a later one.
    let found: Generation

    enum Verdict: Equatable {
        /// It accepts connections.
        case isReady
        /// The backend has ended.
        case hasEnded
        /// There was nothing to wait for.
        case isNoted
        /// The start failed.
        case hasFailed
        /// Another operation stopped it before it was ready.
        case wasStopped
        /// Its processes do not end.
        case stopTimedOut
        case daemonLeaves
    }

    /// Returns the verdict; nil while the operation is running.
    func verdict(on machine: BackendMachine) -> Verdict? {
        switch operation {
        case .start, .pin, .restart: verdictOnStart(machine)
        case .stop, .disable: verdictOnStop(machine)
        case .unpin, .enable: .isNoted
        }
    }

    private func verdictOnStart(_ machine: BackendMachine) -> Verdict? {
        switch machine.state {
        case .awake: operation == .restart && machine.generation <= found ? nil : .isReady
        case .starting: nil
        case .stopping(let stop):
            switch stop.cause {
            case .shutdown: .daemonLeaves
            case _ where machine.isStopOverdue: .stopTimedOut
            case .failure(_, restAfter: true): .hasFailed
            case .idle, .operation, .failure: stop.startsAgain ? nil : .wasStopped
            }
        case .backoff: .hasFailed
        // Not stopped by an operation: one of its dependencies is disabled.
        case .asleep: [.usual, .pinned].contains(machine.standing) ? .hasFailed : .wasStopped
        case .shuttingDown: .daemonLeaves
        }
    }

    private func verdictOnStop(_ machine: BackendMachine) -> Verdict? {
        guard case .stopping(let stop) = machine.state else { return .hasEnded }
        if stop.cause == .shutdown { return .daemonLeaves }
        return machine.isStopOverdue ? .stopTimedOut : nil
    }
}

/// The result of an operation, with a sentence for the operator.
enum OperationResult: Equatable, Sendable {
    case done(String)
    /// It failed.
    case failed(String)
    /// It was rejected before it started.
    case refused(String)
}
