/// An order whose end somebody waits for.
struct PendingCommand: Equatable {
    let ticket: Ticket
    let command: BackendCommand
    /// The life that the order found; a restart is not done before there is another.
    let found: Generation

    enum Verdict: Equatable {
        /// It accepts connections.
        case isReady
        /// What it was to end has ended.
        case hasEnded
        /// There was nothing to wait for.
        case isNoted
        /// The start has failed.
        case hasFailed
        /// Somebody else wanted it stopped before it was ready.
        case wasStopped
        /// Its processes do not end.
        case stopTimedOut
        case daemonLeaves
    }

    /// What has come of it; nil while that is open.
    func verdict(on machine: BackendMachine) -> Verdict? {
        switch command {
        case .start, .pin, .restart: verdictOnStart(machine)
        case .stop, .disable: verdictOnStop(machine)
        case .unpin, .enable: .isNoted
        }
    }

    private func verdictOnStart(_ machine: BackendMachine) -> Verdict? {
        switch machine.state {
        case .awake: command == .restart && machine.generation <= found ? nil : .isReady
        case .starting: nil
        case .stopping(let stop):
            switch stop.cause {
            case .shutdown: .daemonLeaves
            case _ where machine.isStopOverdue: .stopTimedOut
            case .failure(_, restAfter: true): .hasFailed
            case .idle, .command, .failure: stop.startsAgain ? nil : .wasStopped
            }
        case .backoff: .hasFailed
        // Nobody has stopped it: something that it requires is disabled.
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

/// What an operator is told about an order, in a sentence.
enum CommandResult: Equatable, Sendable {
    case done(String)
    /// It could not be carried out.
    case failed(String)
    /// It was not even tried.
    case refused(String)
}
