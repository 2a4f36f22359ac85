/// Executes operator commands and reports their results.
extension Supervisor {
    /// A command of the daemon itself.
    func command(_ command: BackendCommand, _ id: BackendID) { driver.dispatch(known(id), .command(command)) }

    /// Executes a command and sends exactly one result: at once if the client does not wait, if nothing is to be done,
    /// or if the command is refused.
    func execute(_ command: BackendCommand, for ticket: Ticket, waits: Bool, on backend: SupervisedBackend) {
        if let reason = denial(to: command, on: backend) {
            return replies.post(.commandEnded(ticket, .refused("\(backend.name) \(reason)")))
        }
        let pending = PendingCommand(ticket: ticket, command: command, found: backend.machine.generation)
        log(.command, LogField("service", backend.name), LogField("command", command.rawValue))
        if command.wantsIt { driver.recordStartCause(of: .operator, for: backend) }
        driver.dispatch(backend, .command(command))
        if waits {
            backend.commands.append(pending)
            driver.answerCommands(on: backend)
        } else {
            replies.post(.commandEnded(ticket, CommandOutcome(of: backend).received(command)))
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
                let other = backends.rival(of: backend, at: target)
            else { return nil }
            return "has the same target as \"\(other.name)\", \(target); disable that first"
        case .stop, .unpin, .disable:
            return nil
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
