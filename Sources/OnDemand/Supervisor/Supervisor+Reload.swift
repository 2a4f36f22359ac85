/// Backends that are added, changed and removed while the daemon runs.
extension Supervisor {
    /// Starts a series of changes that `finishReload` completes.
    func beginChanges() { isChanging = true }

    func add(_ backend: SupervisedBackend) {
        backend.history.stateSince = kernel.now()
        recordState(of: backend)
        insert(backend)
        pendingChanges.append(.init(backend: backend, isNew: true))
    }

    /// Completes a reload: all services are registered. Starts always-on backends and re-checks pending starts.
    func finishReload() {
        isChanging = false
        arrange()
        let changed = pendingChanges
        pendingChanges = []
        for change in changed { openSocketIfFree(of: change.backend) }
        let byBackend = Dictionary(changed.map { ($0.backend.id, $0) }, uniquingKeysWith: { first, _ in first })
        for backend in inOrder {
            guard let change = byBackend[backend.id] else { continue }
            switch backend.machine.state {
            case .starting(let start) where start.isBeforeProcess: dispatch(backend, .dependenciesChanged)
            // A process that has finished its work is not started again.
            case .asleep where change.isNew || backend.machine.comesBack: beginIfAlwaysOn(backend)
            case .asleep, .starting, .awake, .stopping, .backoff, .shuttingDown: break
            }
        }
    }

    /// Applies the definition of the next start. Dependency leases belong to the ended generation.
    func applyPendingDefinition(of backend: SupervisedBackend) {
        guard let next = backend.next else { return }
        if next.policy.requires != backend.machine.policy.requires { releaseDependencies(of: backend) }
        if next.target != backend.target || next.policy.readiness != .socket { closeSocket(of: backend) }
        backend.applyPendingDefinition()
        arrange()
    }

    /// Opens the inherited socket. On failure the next start opens it, after the previous owner has released the
    /// address.
    func openSocketIfFree(of backend: SupervisedBackend) {
        do throws(SystemError) {
            try openSocket(of: backend)
        } catch {
            log(.systemError, LogField("service", backend.name), LogField("detail", error.description))
        }
    }

    /// Applies at once, because it does not depend on the process.
    func setCloseTiming(closeJitter: Duration, drainTimeout: Duration) {
        for backend in inOrder { backend.machine.update(closeJitter: closeJitter, drainTimeout: drainTimeout) }
    }

    /// Sets the definition of the next start. Returns the generation that still uses the old one, or nil.
    func redefine(_ id: BackendID, as definition: SupervisedBackend.Definition) -> Generation? {
        let backend = known(id)
        backend.next = definition
        switch backend.machine.state {
        case .starting(let start) where start.isBeforeProcess:
            // The start has not used the old definition yet. `finishReload` checks dependencies and address again.
            _ = probe(backend, .stop)
            backend.waitsForAddress = false
            applyPendingDefinition(of: backend)
            pendingChanges.append(.init(backend: backend, isNew: false))
            return nil
        case .starting, .awake, .stopping:
            return backend.machine.generation
        case .asleep, .backoff, .shuttingDown:
            let wasAlwaysOn = backend.machine.policy.alwaysOn
            applyPendingDefinition(of: backend)
            pendingChanges.append(.init(backend: backend, isNew: !wasAlwaysOn))
            return nil
        }
    }

    /// A new or changed backend of the current reload.
    struct PendingChange {
        let backend: SupervisedBackend
        /// Always-on starts with this reload.
        let isNew: Bool
    }

    private func beginIfAlwaysOn(_ backend: SupervisedBackend) {
        guard backend.machine.policy.alwaysOn, backend.machine.standing == .usual,
            !reactor.isArmed(.startDelay(backend.id))
        else { return }
        recordStartCause(of: .alwaysOn, for: backend)
        if backend.startDelay > .zero {
            reactor.arm(.startDelay(backend.id), at: kernel.now() + backend.startDelay)
        } else {
            dispatch(backend, .startRequested)
        }
    }

    // MARK: Commands

    func command(_ command: BackendCommand, _ id: BackendID) { dispatch(known(id), .command(command)) }

    /// Replaces a running process.
    func restart(_ id: BackendID) {
        switch known(id).machine.state {
        case .starting, .awake: command(.restart, id)
        case .asleep, .stopping, .backoff, .shuttingDown: break
        }
    }

    /// Removes a backend: disables it, and forgets it once its processes have exited.
    func remove(_ id: BackendID) {
        known(id).isRemoved = true
        dismissals[Dismissal(known(id))] = known(id)
        reactor.disarm(.startDelay(id))
        command(.disable, id)
        // Otherwise it is closed after the process has exited.
        if known(id).child == nil { closeSocket(of: known(id)) }
    }

    /// Restores a backend that is being removed. Returns nil if there is none.
    func restore(_ name: String, _ kind: SupervisedBackend.Kind) -> BackendID? {
        guard let backend = dismissals.removeValue(forKey: Dismissal(name: name, kind: kind)) else { return nil }
        backend.isRemoved = false
        return backend.id
    }

    /// Key of a backend that is being removed. Unique, because a second removal of the same name restores the first.
    struct Dismissal: Hashable {
        let name: String
        let kind: SupervisedBackend.Kind

        init(name: String, kind: SupervisedBackend.Kind) { (self.name, self.kind) = (name, kind) }

        init(_ backend: SupervisedBackend) { self.init(name: backend.name, kind: backend.kind) }
    }

    /// Forgets removed backends without processes and returns their IDs.
    func forgetRemoved() -> [BackendID] {
        guard removedCount > 0 else { return [] }
        let gone = remove { $0.isRemoved && $0.isAtRest }
        for backend in gone { dismissals[Dismissal(backend)] = nil }
        return gone.map(\.id)
    }

    // MARK: Two backends at one address

    /// Checks the address of a start. Waits until the previous owner of this address has exited, if that is a backend.
    func checkAddress(of backend: SupervisedBackend) -> BackendMachine.Event? {
        backend.waitsForAddress = inOrder.contains { other in
            other !== backend && other.child != nil && other.address == backend.target && other.address != nil
        }
        return backend.waitsForAddress ? nil : probe(backend, .begin(.checkAddress))
    }

    /// Resumes starts that wait for an address, after a process has exited.
    func resumeStarts() {
        for backend in inOrder where backend.waitsForAddress {
            if let event = checkAddress(of: backend) { dispatchNested(event, to: backend) }
        }
    }
}

extension BackendMachine.Start {
    /// Nothing has used the definition yet.
    fileprivate var isBeforeProcess: Bool { phase == .awaitingDependencies || phase == .checkingAddress }
}
