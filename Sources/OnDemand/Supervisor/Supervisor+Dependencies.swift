/// Dependencies between backends. A dependent uses a ticket and a lease like a client, so idleness, generations and
/// refusals need no rules of their own.
///
/// States of a `DependencyLease`: `asked` (ticket queued), `held` (lease of a generation), `lost` (refused or ended).
///
/// - A start waits in phase `awaitingDependencies` until every dependency is held, or lost and not restarting.
/// - A required backend whose gate closes loses its leases. They are requested again if it restarts.
/// - Effects on other backends are deferred until the current event is finished (`DeferredEvent`).
/// - At shutdown a backend stops after its dependents, and a process after everything that started later.
extension Supervisor {
    /// An effect on another backend, deferred until the current event is finished.
    enum DeferredEvent {
        case event(SupervisedBackend, BackendMachine.Event)
        /// Replies to a dependency request.
        case granted(Ticket, Generation, by: SupervisedBackend)
        /// A process has exited and may have released its address.
        case roomMade
        case refused(Ticket, Refusal, retryAfter: Duration)
    }

    /// Requests the leases that are missing. Returns an event if nothing is to be waited for.
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

    // MARK: Replies to dependency requests

    func granted(_ ticket: Ticket, _ generation: Generation, by required: SupervisedBackend) {
        // The requesting backend may have been stopped meanwhile.
        guard let (backend, position) = wish(ticket) else { return giveBack(generation, of: required) }
        backend.dependencies[position].state = .held(generation)
        if isAwaiting(backend), hasAllDependencies(backend) { dispatchNested(.dependenciesReady, to: backend) }
    }

    /// Marks the lease as lost. A running backend continues without it.
    func refused(_ ticket: Ticket, _ refusal: Refusal, retryAfter: Duration) {
        guard let (backend, position) = wish(ticket) else { return }
        backend.dependencies[position].state = .lost
        guard isAwaiting(backend) else { return }
        let name = backend.dependencies[position].required.name
        dispatchNested(.dependencyRefused(name, refusal, retryAfter: retryAfter), to: backend)
    }

    /// Drops the leases on a backend whose gate was closed. Its dependents keep running and request it again.
    func loseDependencyLeases(on required: SupervisedBackend) {
        guard anyRequires else { return }
        for backend in inOrder {
            for position in backend.dependencies.indices where backend.dependencies[position].required === required {
                guard case .held(let generation) = backend.dependencies[position].state else { continue }
                // Otherwise a gate that is only closed to new leases would wait for it.
                _ = required.gate.leave(generation)
                backend.dependencies[position].state = .lost
                if required.machine.policy.restarts { ask(for: position, of: backend) }
            }
        }
    }

    /// Requests the lost leases again after a required backend has changed its state.
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

    /// Starts dependents that would run by themselves, after a required backend is enabled.
    func startDependents(_ required: SupervisedBackend) {
        guard anyRequires else { return }
        var missed: Set = [required.name]
        // In start order, because a dependent may have missed it through another.
        for backend in inOrder where !missed.isDisjoint(with: backend.machine.policy.requires) {
            missed.insert(backend.name)
            let isToBegin = backend.machine.comesBack && !reactor.isArmed(.startDelay(backend.id))
            guard isToBegin, backend.machine.state == .asleep, !backend.isRemoved else { continue }
            deferredEvents.append(.event(backend, .startRequested))
        }
    }

    // MARK: Shutdown order

    /// Stops every backend that is no longer required: a service after its dependents, a process after everything that
    /// started later.
    func proceedWithShutdown() {
        guard isShuttingDown else { return }
        for (position, backend) in inOrder.enumerated().reversed() where !backend.shutdownSent {
            guard isForcingShutdown || mayLeave(backend, before: inOrder[(position + 1)...]) else { continue }
            backend.shutdownSent = true
            reactor.disarm(.startDelay(backend.id))
            dispatch(backend, .shutdownRequested)
        }
    }

    /// A backend without a process can stop at once.
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
