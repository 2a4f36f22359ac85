/// Backends that are added, changed and removed while the daemon runs.
extension Supervisor {
    /// A new or changed backend of the current reload.
    struct PendingChange {
        let backend: SupervisedBackend
        /// Always-on starts with this reload.
        let isNew: Bool
    }

    /// Starts a series of changes that `finishReload` completes.
    func beginChanges() { backends.beginChanges() }

    func add(_ backend: SupervisedBackend) {
        generations.beginHistory(of: backend)
        backends.insert(backend)
        pendingChanges.append(.init(backend: backend, isNew: true))
    }

    /// Completes a reload: all services are registered. Starts always-on backends and re-checks pending starts.
    func finishReload() {
        backends.endChanges()
        let changed = pendingChanges
        pendingChanges = []
        for change in changed { driver.openSocketIfFree(of: change.backend) }
        let byBackend = Dictionary(changed.map { ($0.backend.id, $0) }, uniquingKeysWith: { first, _ in first })
        for backend in inOrder {
            guard let change = byBackend[backend.id] else { continue }
            switch backend.machine.state {
            case .starting(let start) where start.isBeforeProcess: driver.dispatch(backend, .dependenciesChanged)
            // A process that has finished its work is not started again.
            case .asleep where change.isNew || backend.machine.comesBack: beginIfAlwaysOn(backend)
            case .asleep, .starting, .awake, .stopping, .backoff, .shuttingDown: break
            }
        }
    }

    private func beginIfAlwaysOn(_ backend: SupervisedBackend) {
        guard backend.machine.policy.alwaysOn, backend.machine.standing == .usual,
            !reactor.isArmed(.startDelay(backend.id))
        else { return }
        beginAlwaysOn(backend)
    }

    func setCloseTiming(closeJitter: Duration, drainTimeout: Duration) {
        for backend in inOrder { backend.setCloseTiming(closeJitter: closeJitter, drainTimeout: drainTimeout) }
    }

    /// Variables of every process besides its own.
    func setEnvironment(_ variables: [LaunchCommand.Variable]) { generations.environment = variables }

    /// Sets the definition of the next start. Returns the generation that still uses the old one, or nil.
    func redefine(_ id: BackendID, as definition: SupervisedBackend.Definition) -> Generation? {
        let backend = known(id)
        backend.redefine(as: definition)
        switch backend.machine.state {
        case .starting(let start) where start.isBeforeProcess:
            // The start has not used the old definition yet. `finishReload` checks dependencies and address again.
            driver.stopProbing(backend)
            driver.applyPendingDefinition(of: backend)
            pendingChanges.append(.init(backend: backend, isNew: false))
            return nil
        case .starting, .awake, .stopping:
            return backend.machine.generation
        case .asleep, .backoff, .shuttingDown:
            let wasAlwaysOn = backend.machine.policy.alwaysOn
            driver.applyPendingDefinition(of: backend)
            pendingChanges.append(.init(backend: backend, isNew: !wasAlwaysOn))
            return nil
        }
    }

    /// Replaces a running process.
    func restart(_ id: BackendID) {
        switch known(id).machine.state {
        case .starting, .awake: execute(.restart, on: id)
        case .asleep, .stopping, .backoff, .shuttingDown: break
        }
    }

    /// Removes a backend: disables it, and forgets it once its processes have exited.
    func remove(_ id: BackendID) {
        backends.remove(known(id))
        reactor.disarm(.startDelay(id))
        execute(.disable, on: id)
        // Otherwise it is closed after the process has exited.
        if known(id).child == nil { generations.closeSocket(of: known(id)) }
    }

    /// Restores a backend that is being removed. Returns nil if there is none.
    func restore(_ name: String, _ kind: SupervisedBackend.Kind) -> BackendID? { backends.restore(name, kind) }

    var removedCount: Int { backends.removedCount }

    /// Forgets removed backends without processes and returns their IDs.
    func forgetRemoved() -> [BackendID] {
        let gone = backends.forgetRemoved()
        gone.forEach(generations.forget)
        return gone
    }
}

extension BackendMachine.Start {
    /// Nothing has used the definition yet.
    fileprivate var isBeforeProcess: Bool { phase == .awaitingDependencies || phase == .checkingAddress }
}
