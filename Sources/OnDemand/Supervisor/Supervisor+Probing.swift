/// Performs the probes of backends: lookups, connections and timers. `ProbeMachine` decides.
extension Supervisor {
    /// Applies an event and performs its effects. Returns the result of the probe, if this is its end.
    func probe(_ backend: SupervisedBackend, _ event: ProbeMachine.Event) -> BackendMachine.Event? {
        var (events, result) = ([event], BackendMachine.Event?.none)
        while !events.isEmpty {
            for effect in backend.probe.apply(events.removeFirst(), facts(of: backend)) {
                if case .report(let event) = effect { result = event }
                if let event = perform(effect, of: backend) { events.append(event) }
            }
        }
        return result
    }

    private func dispatchProbe(_ backend: SupervisedBackend, _ event: ProbeMachine.Event) {
        if let result = probe(backend, event) { dispatch(backend, result) }
    }

    private func facts(of backend: SupervisedBackend) -> ProbeMachine.Facts {
        let now = kernel.now()
        return .init(
            check: backend.machine.policy.readiness, hasAddress: backend.address != nil,
            inheritsSocket: backend.listener != nil, picksPort: backend.picksPort,
            elapsed: now - (backend.child?.lostListenerAt ?? backend.child?.spawnedAt ?? now),
            usualStartup: backend.history.startups.usual)
    }

    /// Probes a backend that has lost its listener.
    func probeAgain(of backend: SupervisedBackend) {
        backend.child?.lostListenerAt = nil
        _ = probe(backend, .listenerLost)
        backend.child?.lostListenerAt = kernel.now()
    }

    // MARK: Events

    /// Handles an event of the probe's socket.
    func probeReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], let connection = backend.probeConnection,
            backend.probe.attempt & 0xff_ffff == token.generation
        else { return }
        guard !backend.probe.isConnecting else {
            let isConnected = kernel.connectFailure(of: connection.descriptor) == nil
            return dispatchProbe(backend, isConnected ? .connected : .connectionFailed(nil))
        }
        sendUnsent(of: backend)
        // A probe's response is shorter than this; further bytes in a close handshake are cut off by its time limit.
        for _ in 0..<Limits.readsPerTurn {
            guard backend.probeConnection?.descriptor == connection.descriptor else { return }
            switch kernel.receive(from: connection.descriptor, into: &buffers) {
            case .bytes(let count): dispatchProbe(backend, .received(buffers[..<count]))
            case .wouldBlock: return
            case .ended, .failed: return dispatchProbe(backend, .ended)
            }
        }
    }

    /// Handles the end of a pause or the timeout of an attempt.
    func probeTimerFired(_ id: BackendID) {
        if let backend = backends[id] { dispatchProbe(backend, .timeReached) }
    }

    func childPrinted(_ backend: SupervisedBackend) {
        if backend.probe.isPausing { dispatchProbe(backend, .printed) }
    }

    func acceptNotification(of backend: SupervisedBackend) { dispatchProbe(backend, .notified) }

    // MARK: Effects

    /// Performs one effect. Returns the event that it reports at once, if any.
    private func perform(_ effect: ProbeMachine.Effect, of backend: SupervisedBackend) -> ProbeMachine.Event? {
        switch effect {
        case .lookUp:
            guard let address = backend.address, let process = backend.child?.process else {
                return .lookedUp(.unsupported)
            }
            return .lookedUp(kernel.lookUpSocket(at: address, forTreeOf: process))
        case .connect: return connect(backend)
        case .identifyOwner:
            guard let address = backend.address, let process = backend.child?.process else {
                return .ownerFound(.unsupported)
            }
            return .ownerFound(
                kernel.listener(
                    at: address, accepting: backend.probeConnection?.descriptor, belongsToTreeOf: process))
        case .converse: return conversation(with: backend).map { .conversation($0) }
        case .send(let bytes):
            backend.probeConnection?.unsent = bytes[...]
            sendUnsent(of: backend)
        case .endSending: if let connection = backend.probeConnection { kernel.endSending(on: connection.descriptor) }
        case .watch: return watch(backend)
        case .close:
            if let connection = backend.probeConnection { kernel.close(connection.descriptor) }
            backend.probeConnection = nil
        case .arm(let pause): reactor.arm(.probe(backend.id), at: kernel.now() + pause)
        case .disarm: reactor.disarm(.probe(backend.id))
        case .removeStaleSocket: if let address = backend.address { kernel.removeStaleSocket(at: address) }
        case .logConflict: recordAddressConflict(backend)
        case .report: break
        }
        return nil
    }

    private func connect(_ backend: SupervisedBackend) -> ProbeMachine.Event {
        guard let address = backend.address else { preconditionFailure("a probe without an address") }
        // Before a start the daemon's own socket may be at this address. A running backend has proven its own.
        if backend.child == nil, kernel.isOwnListener(address) { return .isOwnListener }
        switch kernel.connectProbe(at: address) {
        case .connected(let descriptor):
            backend.probeConnection = SupervisedBackend.ProbeConnection(descriptor: descriptor)
            return .connected
        case .inProgress(let descriptor):
            backend.probeConnection = SupervisedBackend.ProbeConnection(descriptor: descriptor)
            return .connectionStarted
        case .failed(let code): return .connectionFailed(code)
        }
    }

    private func watch(_ backend: SupervisedBackend) -> ProbeMachine.Event? {
        guard let connection = backend.probeConnection else { preconditionFailure("there is no probe to watch") }
        guard !connection.isWatched else { return nil }
        do throws(SystemError) {
            let token = Token(SupervisorToken.probe, index: backend.id.index, generation: backend.probe.attempt)
            try kernel.watch(connection.descriptor, for: .edges, as: token)
            backend.probeConnection?.isWatched = true
            return nil
        } catch {
            return .unwatchable
        }
    }

    private func conversation(with backend: SupervisedBackend) -> ProbeConversation? {
        guard let address = backend.address else { return nil }
        let host = address.port == nil ? "localhost" : address.description
        return ProbeConversation(backend.machine.policy.readiness, host: host, dice: kernel.random)
    }

    /// A failed socket reports its error at the next read.
    private func sendUnsent(of backend: SupervisedBackend) {
        guard let descriptor = backend.probeConnection?.descriptor else { return }
        while let unsent = backend.probeConnection?.unsent, !unsent.isEmpty {
            guard case .bytes(let count) = kernel.send(unsent.span, to: descriptor) else { return }
            backend.probeConnection?.unsent.removeFirst(count)
        }
    }
}
