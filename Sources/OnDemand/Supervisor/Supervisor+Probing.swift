/// Asking an address whether somebody accepts there: before a start to find strangers, during it to find readiness.
extension Supervisor {
    func startProbe(of backend: SupervisedBackend, _ purpose: SupervisedBackend.Probe.Purpose) -> BackendMachine.Event?
    {
        backend.probe.purpose = purpose
        backend.probe.sawStranger = false
        return attemptProbe(of: backend)
    }

    func stopProbe(of backend: SupervisedBackend) {
        closeProbe(of: backend)
        backend.probe.purpose = nil
        reactor.disarm(.probe(backend.id))
    }

    private func closeProbe(of backend: SupervisedBackend) {
        if let descriptor = backend.probe.descriptor { kernel.close(descriptor) }
        backend.probe.descriptor = nil
    }

    private func attemptProbe(of backend: SupervisedBackend) -> BackendMachine.Event? {
        // Without an address nobody can be in its way, and it is ready as soon as it runs.
        guard let address = backend.address else {
            return probeEnded(of: backend, accepted: backend.probe.purpose == .readiness)
        }
        backend.probe.attempt += 1
        switch kernel.connect(to: address) {
        case .connected(let descriptor):
            kernel.close(descriptor)
            return probeEnded(of: backend, accepted: isAcceptedByOurs(backend))
        case .failed(.tryAgain) where backend.probe.purpose == .checkAddress:
            // A Unix socket whose queue is full says so at once (unix(7)): somebody listens there.
            return probeEnded(of: backend, accepted: true)
        case .failed:
            return probeEnded(of: backend, accepted: false)
        case .inProgress(let descriptor):
            return watchProbe(descriptor, for: backend)
        }
    }

    private func watchProbe(_ descriptor: Descriptor, for backend: SupervisedBackend) -> BackendMachine.Event? {
        let token = Token(.probe, index: backend.id.index, generation: backend.probe.attempt)
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token)
        } catch {
            kernel.close(descriptor)
            return probeEnded(of: backend, accepted: false)
        }
        backend.probe.descriptor = descriptor
        reactor.arm(.probe(backend.id), at: kernel.now() + Limits.probePatience)
        return nil
    }

    /// The connection attempt has been decided.
    func probeReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], let descriptor = backend.probe.descriptor,
            backend.probe.attempt & 0xff_ffff == token.generation
        else { return }
        let accepted = kernel.connectFailure(of: descriptor) == nil
        reactor.disarm(.probe(backend.id))
        closeProbe(of: backend)
        let event = probeEnded(of: backend, accepted: accepted && isAcceptedByOurs(backend))
        if let event { tell(backend, event) }
    }

    /// Either the pause before the next attempt is over, or an attempt got no answer at all.
    func probeTimerFired(_ id: BackendID) {
        guard let backend = backends[id], let purpose = backend.probe.purpose else { return }
        if backend.probe.descriptor != nil {
            closeProbe(of: backend)
            // Somebody's queue of connections is full; whoever that is, the address is not free.
            if purpose == .checkAddress { return tell(backend, probeEnded(of: backend, accepted: true)!) }
        }
        if let event = attemptProbe(of: backend) { tell(backend, event) }
    }

    /// A stranger that took the address after we had looked must not get our clients either. It is looked at again at
    /// the next attempt; our own process will most likely have ended by then, because the address is in use.
    private func isAcceptedByOurs(_ backend: SupervisedBackend) -> Bool {
        guard backend.probe.purpose == .readiness, let child = backend.child, let address = backend.address else {
            return true
        }
        guard kernel.listener(at: address, belongsToFamilyOf: child.process) == false else { return true }
        if !backend.probe.sawStranger { noteStranger(backend) }
        backend.probe.sawStranger = true
        return false
    }

    private func probeEnded(of backend: SupervisedBackend, accepted: Bool) -> BackendMachine.Event? {
        switch (backend.probe.purpose, accepted) {
        case (.checkAddress, _):
            backend.probe.purpose = nil
            return accepted ? .addressTaken : .addressFree
        case (.readiness, true):
            backend.probe.purpose = nil
            return .probeSucceeded
        case (.readiness, false):
            let elapsed = kernel.now() - (backend.child?.spawnedAt ?? kernel.now())
            reactor.arm(.probe(backend.id), at: kernel.now() + ProbeSchedule.pause(after: elapsed))
            return nil
        case (nil, _):
            preconditionFailure("a probe nobody asked for")
        }
    }
}
