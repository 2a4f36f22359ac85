/// Executes the operations of operators and reports their results.
extension Supervisor {
    /// An operation of the daemon itself.
    func execute(_ operation: BackendOperation, on id: BackendID) { driver.dispatch(known(id), .operation(operation)) }

    /// Executes an operation and sends exactly one result: at once if the client does not wait, if nothing is to be
    /// done, or if the operation is refused.
    func execute(_ operation: BackendOperation, for ticket: Ticket, waits: Bool, on backend: SupervisedBackend) {
        if let reason = denial(to: operation, on: backend) {
            return replies.post(.operationEnded(ticket, .refused("\(backend.name) \(reason)")))
        }
        let pending = PendingOperation(ticket: ticket, operation: operation, found: backend.machine.generation)
        log(.command, LogField("service", backend.name), LogField("command", operation.rawValue))
        if operation.wantsIt { generations.recordStartCause(of: .operator, for: backend) }
        driver.dispatch(backend, .operation(operation))
        if waits {
            driver.awaitEnd(of: pending, on: backend)
        } else {
            replies.post(.operationEnded(ticket, OperationOutcome(of: backend).received(operation)))
        }
    }

    /// Returns why the operation is refused. nil: allowed. The machine would ignore a refused operation.
    private func denial(to operation: BackendOperation, on backend: SupervisedBackend) -> String? {
        if backend.machine.isShuttingDown { return "is shutting down" }
        switch operation {
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
    /// Operations have no effect any more.
    fileprivate var isShuttingDown: Bool {
        switch state {
        case .shuttingDown: true
        case .stopping(let stop): stop.cause == .shutdown
        case .asleep, .starting, .awake, .backoff: false
        }
    }
}
