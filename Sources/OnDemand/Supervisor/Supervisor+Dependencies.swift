/// Backends that require others: they wait for them as clients do, with a ticket and then a lease, so that idleness,
/// generations and refusals need no rules of their own.
extension Supervisor {
    /// What is still to be told to a backend that is not the one whose effects are carried out just now.
    enum DeferredEvent {
        case event(SupervisedBackend, BackendMachine.Event)
        /// The answers to a wish of one backend for another.
        case granted(Ticket, Generation, by: SupervisedBackend)
        /// A process is gone, and others may have waited for its address.
        case roomMade
        case refused(Ticket, Refusal, retryAfter: Duration)
    }

    /// Asks for what is not held yet; an answer at once where there is nothing to wait for.
    func acquireDependencies(of backend: SupervisedBackend) -> BackendMachine.Event? {
        for name in backend.machine.policy.requires
        where !backend.dependencies.contains(where: { $0.required.name == name }) {
            guard let required = inOrder.first(where: { $0.name == name }) else {
                return .dependencyRefused(name, .disabled, retryAfter: Refusal.dependencyRetry)
            }
            backend.dependencies.append(.init(required: required, ticket: nextTicket()))
            ask(for: backend.dependencies.count - 1, of: backend)
        }
        for position in backend.dependencies.indices where backend.dependencies[position].state == .lost {
            ask(for: position, of: backend)
        }
        return hasAllDependencies(backend) ? .dependenciesReady : nil
    }

    func releaseDependencies(of backend: SupervisedBackend) {
        for hold in backend.dependencies {
            switch hold.state {
            case .asked: deferredEvents.append(.event(hold.required, .abandoned(hold.ticket)))
            case .held(let generation): giveBack(generation, of: hold.required)
            case .lost: break
            }
        }
        backend.dependencies = []
    }

    private func ask(for position: Int, of backend: SupervisedBackend) {
        backend.dependencies[position].ticket = nextTicket()
        backend.dependencies[position].state = .asked
        recordStartCause(of: .required, for: backend.dependencies[position].required)
        deferredEvents.append(
            .event(backend.dependencies[position].required, .wanted(backend.dependencies[position].ticket)))
    }

    private func giveBack(_ generation: Generation, of required: SupervisedBackend) {
        guard required.gate.leave(generation) else { return }
        deferredEvents.append(.event(required, .lastLeaseReturned(generation)))
    }

    private func hasAllDependencies(_ backend: SupervisedBackend) -> Bool {
        backend.dependencies.allSatisfy { hold in
            switch hold.state {
            case .asked: false
            case .held: true
            case .lost: !hold.required.machine.policy.restarts
            }
        }
    }

    private func isAwaiting(_ backend: SupervisedBackend) -> Bool {
        guard case .starting(let start) = backend.machine.state else { return false }
        return start.phase == .awaitingDependencies
    }

    private func wish(_ ticket: Ticket) -> (backend: SupervisedBackend, position: Int)? {
        for backend in inOrder {
            if let position = backend.dependencies.firstIndex(where: { $0.ticket == ticket }) {
                return (backend, position)
            }
        }
        return nil
    }

    // MARK: What became of a wish

    func granted(_ ticket: Ticket, _ generation: Generation, by required: SupervisedBackend) {
        // Whoever wished for it may have been stopped meanwhile.
        guard let (backend, position) = wish(ticket) else { return giveBack(generation, of: required) }
        backend.dependencies[position].state = .held(generation)
        if isAwaiting(backend), hasAllDependencies(backend) { dispatchNested(.dependenciesReady, to: backend) }
    }

    /// Who runs already is left alone, and its wish is renewed when that may help.
    func refused(_ ticket: Ticket, _ refusal: Refusal, retryAfter: Duration) {
        guard let (backend, position) = wish(ticket) else { return }
        backend.dependencies[position].state = .lost
        guard isAwaiting(backend) else { return }
        let name = backend.dependencies[position].required.name
        dispatchNested(.dependencyRefused(name, refusal, retryAfter: retryAfter), to: backend)
    }

    /// Its gate was closed although others are inside: they go on, and it has to come back for them.
    func loseDependencyLeases(on required: SupervisedBackend) {
        guard anyRequires else { return }
        for backend in inOrder {
            for position in backend.dependencies.indices where backend.dependencies[position].required === required {
                guard case .held(let generation) = backend.dependencies[position].state else { continue }
                // A gate that is closed to newcomers only would wait for it.
                _ = required.gate.leave(generation)
                backend.dependencies[position].state = .lost
                if required.machine.policy.restarts { ask(for: position, of: backend) }
            }
        }
    }

    /// It could be had again, and somebody who runs may have gone without it.
    func renewDependencyLeases(on required: SupervisedBackend) {
        guard anyRequires, required.machine.policy.restarts else { return }
        for backend in inOrder {
            for position in backend.dependencies.indices
            where backend.dependencies[position].required === required && backend.dependencies[position].state == .lost
            {
                ask(for: position, of: backend)
            }
        }
    }

    /// It may be had again: whoever would be up by itself, were it not for this, begins now.
    func startDependents(_ required: SupervisedBackend) {
        guard anyRequires else { return }
        var missed: Set = [required.name]
        // In the order in which they start, so that one may have missed it for another's sake.
        for backend in inOrder where !missed.isDisjoint(with: backend.machine.policy.requires) {
            missed.insert(backend.name)
            let isToBegin = backend.machine.comesBack && !reactor.isArmed(.startDelay(backend.id))
            guard isToBegin, backend.machine.state == .asleep, !backend.isRemoved else { continue }
            deferredEvents.append(.event(backend, .startRequested))
        }
    }

    // MARK: Leaving in order

    /// Tells those to stop whom nobody needs any more: a service when all that require it are gone, a process when
    /// everything that started after it is gone.
    func proceedWithShutdown() {
        guard isShuttingDown else { return }
        for (position, backend) in inOrder.enumerated().reversed() where !backend.shutdownSent {
            guard isForcingShutdown || mayLeave(backend, before: inOrder[(position + 1)...]) else { continue }
            backend.shutdownSent = true
            reactor.disarm(.startDelay(backend.id))
            dispatch(backend, .shutdownRequested)
        }
    }

    /// Without a process of its own it serves nobody, so nobody has to go first.
    private func mayLeave(_ backend: SupervisedBackend, before others: ArraySlice<SupervisedBackend>) -> Bool {
        switch backend.machine.state {
        case .asleep, .backoff, .shuttingDown: return true
        case .starting, .awake, .stopping: break
        }
        return others.allSatisfy { other in
            let mustGoFirst = backend.kind == .process || other.machine.policy.requires.contains(backend.name)
            return !mustGoFirst || other.machine.state == .shuttingDown
        }
    }
}
