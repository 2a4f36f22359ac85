/// Executes operator commands and reports their results.
extension Supervisor {
    /// Executes a command and sends exactly one result: at once if the client does not wait, if nothing is to be done,
    /// or if the command is refused.
    func execute(_ command: BackendCommand, for ticket: Ticket, waits: Bool, on backend: SupervisedBackend) {
        if let reason = denial(to: command, on: backend) {
            return replies.post(.commandEnded(ticket, .refused("\(backend.name) \(reason)")))
        }
        let pending = PendingCommand(ticket: ticket, command: command, found: backend.machine.generation)
        log(.command, LogField("service", backend.name), LogField("command", command.rawValue))
        if command.wantsIt { recordStartCause(of: .operator, for: backend) }
        dispatch(backend, .command(command))
        if waits {
            backend.commands.append(pending)
            answerCommands(on: backend)
        } else {
            replies.post(.commandEnded(ticket, .done("\(backend.name) \(command.acknowledgement)")))
        }
    }

    /// Returns why the command is refused. nil: allowed. The machine would ignore a refused command.
    private func denial(to command: BackendCommand, on backend: SupervisedBackend) -> String? {
        if backend.machine.isShuttingDown { return "is shutting down" }
        switch command {
        case .start, .restart, .pin:
            return backend.machine.standing == .disabled ? "is disabled; enable it first" : nil
        case .enable:
            guard backend.machine.standing == .disabled, let target = backend.target,
                let other = neighbour(of: backend, at: target)
            else { return nil }
            return "has the same target as \"\(other.name)\", \(target); disable that first"
        case .stop, .unpin, .disable:
            return nil
        }
    }

    /// Two enabled backends cannot listen at one address. Alternatives, of which one is enabled, can share it.
    private func neighbour(of backend: SupervisedBackend, at target: SocketAddress) -> SupervisedBackend? {
        // With a port per start there is no conflict.
        guard !backend.picksPort else { return nil }
        return inOrder.first { other in
            let mayListen = other.machine.standing != .disabled || other.machine.state != .asleep
            return other !== backend && other.target == target && mayListen
        }
    }

    /// Sends the results of the commands that the last event has completed.
    func answerCommands(on backend: SupervisedBackend) {
        guard !backend.commands.isEmpty else { return }
        backend.commands.removeAll { pending in
            guard let verdict = pending.verdict(on: backend.machine) else { return false }
            replies.post(.commandEnded(pending.ticket, outcome(verdict, of: pending.command, backend)))
            return true
        }
    }

    private func outcome(
        _ verdict: PendingCommand.Verdict, of command: BackendCommand, _ backend: SupervisedBackend
    ) -> CommandResult {
        let name = backend.name
        switch verdict {
        case .isReady:
            let startup = backend.history.lastStartup.map { ", startup \($0.wholeMilliseconds) ms" } ?? ""
            let process = backend.child.map { " (pid \($0.process.number)\(startup))" } ?? ""
            return .done("\(name) is \(command == .pin ? "pinned and " : "")awake\(process)")
        case .hasEnded: return .done("\(name) is \(command == .disable ? "disabled" : "stopped")")
        case .isNoted: return .done("\(name) \(command.acknowledgement)")
        case .hasFailed:
            guard let report = backend.history.lastFailure else { return .failed("\(name) did not start: in backoff") }
            return .failed((["\(name) did not start: \(report.detail)"] + report.lines).joined(separator: "\n"))
        case .wasStopped: return .failed("\(name) was stopped before it was awake")
        case .stopTimedOut:
            let remaining = (backend.child?.remaining ?? []).map(\.shown).joined(separator: ", ")
            let why = backend.child?.refusesSignals == true ? "; the daemon is not permitted to signal them" : ""
            return .failed("\(name) is not stopped: still running: \(remaining)\(why)")
        case .daemonLeaves: return .failed("\(name) is shutting down")
        }
    }
}

extension BackendCommand {
    /// The result of a command that does not wait.
    fileprivate var acknowledgement: String {
        switch self {
        case .start: "received the start command"
        case .stop: "received the stop command"
        case .restart: "received the restart command"
        case .pin: "is pinned"
        case .unpin: "is no longer pinned"
        case .enable: "is enabled"
        case .disable: "is disabled"
        }
    }
}

extension BackendMachine {
    /// Commands have no effect any more.
    fileprivate var isShuttingDown: Bool {
        switch state {
        case .shuttingDown: true
        case .stopping(let stop): stop.cause == .shutdown
        case .asleep, .starting, .awake, .backoff: false
        }
    }
}
