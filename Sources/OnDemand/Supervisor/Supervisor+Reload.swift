/// Backends that come, change and go while the daemon runs.
extension Supervisor {
    /// Changes follow, and then `settle`.
    func beginChanges() { isChanging = true }

    func add(_ backend: SupervisedBackend) {
        backend.history.stateSince = kernel.now()
        recordState(of: backend)
        insert(backend)
        pendingChanges.append(.init(backend: backend, isNew: true))
    }

    /// Whoever is to be there is there, and finds what it requires: now that begins which runs by itself, and what was
    /// about to start looks again.
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
            // One that has done its work is not asked to do it again.
            case .asleep where change.isNew || backend.machine.comesBack: beginIfAlwaysOn(backend)
            case .asleep, .starting, .awake, .stopping, .backoff, .shuttingDown: break
            }
        }
    }

    /// What it is started from, from its next start on. What it held on to belongs to the life that is over.
    func applyPendingDefinition(of backend: SupervisedBackend) {
        guard let next = backend.next else { return }
        if next.policy.requires != backend.machine.policy.requires { releaseDependencies(of: backend) }
        if next.target != backend.target || next.policy.readiness != .socket { closeSocket(of: backend) }
        backend.applyPendingDefinition()
        arrange()
    }

    /// Somebody who leaves may still hold its address: then it is opened with the next start, which waits for that.
    func openSocketIfFree(of backend: SupervisedBackend) {
        do throws(SystemError) {
            try openSocket(of: backend)
        } catch {
            log(.systemError, LogField("service", backend.name), LogField("detail", error.description))
        }
    }

    /// How clients are asked to leave is no matter of their process: it counts at once.
    func setCloseTiming(closeJitter: Duration, drainTimeout: Duration) {
        for backend in inOrder { backend.machine.update(closeJitter: closeJitter, drainTimeout: drainTimeout) }
    }

    /// Counts for the next start. Returns the generation that still lives by what was said before, if one does.
    func redefine(_ id: BackendID, as definition: SupervisedBackend.Definition) -> Generation? {
        let backend = known(id)
        backend.next = definition
        switch backend.machine.state {
        case .starting(let start) where start.isBeforeProcess:
            // Nothing is bound to what it was: in `settle` it looks for its requirements and its address once more.
            stopProbe(of: backend)
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

    /// A new one, or one that is another from now on.
    struct PendingChange {
        let backend: SupervisedBackend
        /// What is always on is so from now on.
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

    // MARK: Orders

    func command(_ command: BackendCommand, _ id: BackendID) { dispatch(known(id), .command(command)) }

    /// Where a process runs, another one takes its place.
    func restart(_ id: BackendID) {
        switch known(id).machine.state {
        case .starting, .awake: command(.restart, id)
        case .asleep, .stopping, .backoff, .shuttingDown: break
        }
    }

    /// It leaves for good: nobody asks for it any more, and once nothing is left of it, it is forgotten.
    func remove(_ id: BackendID) {
        known(id).isRemoved = true
        dismissals[Dismissal(known(id))] = known(id)
        reactor.disarm(.startDelay(id))
        command(.disable, id)
        // Otherwise it is closed when the process is gone.
        if known(id).child == nil { closeSocket(of: known(id)) }
    }

    /// One that is still leaving stays after all.
    func restore(_ name: String, _ kind: SupervisedBackend.Kind) -> BackendID? {
        guard let backend = dismissals.removeValue(forKey: Dismissal(name: name, kind: kind)) else { return nil }
        backend.isRemoved = false
        return backend.id
    }

    /// No two that leave share it: the second would have recalled the first.
    struct Dismissal: Hashable {
        let name: String
        let kind: SupervisedBackend.Kind

        init(name: String, kind: SupervisedBackend.Kind) { (self.name, self.kind) = (name, kind) }

        init(_ backend: SupervisedBackend) { self.init(name: backend.name, kind: backend.kind) }
    }

    /// Those that were dismissed and of which nothing is left.
    func forgetRemoved() -> [BackendID] {
        guard removedCount > 0 else { return [] }
        let gone = remove { $0.isRemoved && $0.isAtRest }
        for backend in gone { dismissals[Dismissal(backend)] = nil }
        return gone.map(\.id)
    }

    // MARK: Two backends, one address

    /// Who had the address before may have to leave it yet: its successor waits for that instead of finding a stranger.
    func checkAddress(of backend: SupervisedBackend) -> BackendMachine.Event? {
        backend.waitsForAddress = inOrder.contains { other in
            other !== backend && other.child != nil && other.address == backend.target && other.address != nil
        }
        return backend.waitsForAddress ? nil : startProbe(of: backend, .checkAddress)
    }

    /// A process is gone.
    func resumeStarts() {
        for backend in inOrder where backend.waitsForAddress {
            if let event = checkAddress(of: backend) { dispatchNested(event, to: backend) }
        }
    }
}

extension BackendMachine.Start {
    /// There is nothing yet that was made from what was configured.
    fileprivate var isBeforeProcess: Bool { phase == .awaitingDependencies || phase == .checkingAddress }
}
