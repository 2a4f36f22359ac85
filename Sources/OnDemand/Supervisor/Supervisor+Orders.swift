/// Carrying out what an operator asks for, and telling when it is done.
extension Supervisor {
    /// Answered exactly once: at once when nobody wants to wait, when there is nothing to wait for, or it is refused.
    func carryOut(_ order: BackendOrder, for ticket: Ticket, waits: Bool, on backend: SupervisedBackend) {
        if let reason = objection(to: order, on: backend) {
            return answers.post(.orderEnded(ticket, .refused("\(backend.name) \(reason)")))
        }
        let pending = PendingOrder(ticket: ticket, order: order, found: backend.machine.generation)
        log(.ordered, LogField("service", backend.name), LogField("order", order.rawValue))
        if order.wantsIt { noteWish(of: .operator, for: backend) }
        tell(backend, .ordered(order))
        if waits {
            backend.orders.append(pending)
            answerOrders(on: backend)
        } else {
            answers.post(.orderEnded(ticket, .done("\(backend.name) \(order.acknowledgement)")))
        }
    }

    /// Why it must not even be tried; the machine would ignore it.
    private func objection(to order: BackendOrder, on backend: SupervisedBackend) -> String? {
        if backend.machine.isLeaving { return "is shutting down" }
        switch order {
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

    /// Two backends cannot listen at one address; entries for alternatives, of which one is enabled, can.
    private func neighbour(of backend: SupervisedBackend, at target: SocketAddress) -> SupervisedBackend? {
        // With a port of its own for each start nobody is in the way, even where two lives had the same one.
        guard !backend.picksPort else { return nil }
        return inOrder.first { other in
            let mayListen = other.machine.standing != .disabled || other.machine.state != .asleep
            return other !== backend && other.target == target && mayListen
        }
    }

    /// After each step of a life: whoever waited for it is told.
    func answerOrders(on backend: SupervisedBackend) {
        guard !backend.orders.isEmpty else { return }
        backend.orders.removeAll { pending in
            guard let verdict = pending.verdict(on: backend.machine) else { return false }
            answers.post(.orderEnded(pending.ticket, outcome(verdict, of: pending.order, backend)))
            return true
        }
    }

    private func outcome(
        _ verdict: PendingOrder.Verdict, of order: BackendOrder, _ backend: SupervisedBackend
    ) -> OrderOutcome {
        let name = backend.name
        switch verdict {
        case .isReady:
            let boot = backend.history.lastBoot.map { ", boot \($0.wholeMilliseconds) ms" } ?? ""
            let process = backend.child.map { " (pid \($0.process.number)\(boot))" } ?? ""
            return .done("\(name) is \(order == .pin ? "pinned and " : "")ready\(process)")
        case .hasEnded: return .done("\(name) is \(order == .disable ? "disabled" : "stopped")")
        case .isNoted: return .done("\(name) \(order.acknowledgement)")
        case .hasFailed:
            guard let report = backend.history.lastFailure else { return .failed("\(name) did not start: it rests") }
            return .failed((["\(name) did not start: \(report.detail)"] + report.lines).joined(separator: "\n"))
        case .wasStopped: return .failed("\(name) was stopped before it was ready")
        case .stopTimedOut:
            let remaining = (backend.child?.remaining ?? []).map(\.shown).joined(separator: ", ")
            let why = backend.child?.refusesSignals == true ? "; the daemon is not permitted to signal them" : ""
            return .failed("\(name) is not stopped: these processes do not end: \(remaining)\(why)")
        case .daemonLeaves: return .failed("\(name) is shutting down")
        }
    }
}

extension BackendOrder {
    /// What is true as soon as the order is given.
    fileprivate var acknowledgement: String {
        switch self {
        case .start: "is asked to start"
        case .stop: "is asked to stop"
        case .restart: "is asked to restart"
        case .pin: "is pinned"
        case .unpin: "is no longer pinned"
        case .enable: "is enabled"
        case .disable: "is disabled"
        }
    }
}

extension BackendMachine {
    /// Nothing that is asked of it counts any more.
    fileprivate var isLeaving: Bool {
        switch state {
        case .retired: true
        case .stopping(let stop): stop.cause == .shutdown
        case .asleep, .starting, .ready, .coolingDown: false
        }
    }
}
