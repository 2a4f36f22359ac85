/// Probes of an address: before a start for foreign listeners, during it for readiness.
///
/// An attempt looks up the listening socket and its owner, then connects if the lookup cannot decide, then runs the
/// `readiness` check.
///
/// - `checkAddress`: any listener makes the start fail with `addressTaken`.
/// - `readiness`: only a listener of the backend's process tree counts. Foreign or unknown owners never get a client.
/// - `socket`: the first connection of a generation is the daemon's. The backend is ready once it has accepted it.
/// - `notify`: the first attempt follows READY=1.
///
/// Pauses between attempts come from `ProbeSchedule`. `Probe.attempt` filters events of earlier attempts.
extension Supervisor {
    func startProbe(of backend: SupervisedBackend, _ purpose: Probe.Purpose) -> BackendMachine.Event? {
        beginProbe(of: backend, purpose)
        switch (purpose, backend.machine.policy.readiness) {
        case (.checkAddress, _) where backend.listener != nil || backend.picksPort:
            // The daemon holds this address itself, or has just found it free.
            backend.probe.purpose = nil
            return .addressFree
        case (.readiness, .notify):
            return nil  // READY=1 comes first.
        case (.checkAddress, _), (.readiness, .tcp), (.readiness, .http), (.readiness, .webSocket),
            (.readiness, .socket):
            return attemptProbe(of: backend)
        }
    }

    /// Probes a backend that has lost its listener. The first attempt is delayed, because a listener has just failed.
    func probeAgain(of backend: SupervisedBackend) {
        beginProbe(of: backend, .readiness)
        let now = kernel.now()
        let age = now - (backend.child?.spawnedAt ?? now)
        backend.child?.lostListenerAt = now
        let pause = max(ProbeSchedule.shortestAfterAnswer, ProbeSchedule.pause(after: age, byLookup: true))
        reactor.arm(.probe(backend.id), at: now + pause)
    }

    private func beginProbe(of backend: SupervisedBackend, _ purpose: Probe.Purpose) {
        closeProbe(of: backend)
        backend.probe.purpose = purpose
        backend.probe.sawForeignListener = false
        backend.probe.confirmedAttempt = nil
        backend.probe.localReply = nil
        backend.probe.isNotified = false
        backend.probe.foreignSenders = []
        backend.probe.canLookUp = false
        backend.probe.nextConnect = ProbeSchedule.connectPause(after: .zero)
    }

    func stopProbe(of backend: SupervisedBackend) {
        closeProbe(of: backend)
        backend.probe.purpose = nil
        reactor.disarm(.probe(backend.id))
    }

    private func closeProbe(of backend: SupervisedBackend) {
        if let descriptor = backend.probe.descriptor { kernel.close(descriptor) }
        backend.probe.descriptor = nil
        backend.probe.conversation = nil
        backend.probe.unsent = []
    }

    func attemptProbe(of backend: SupervisedBackend) -> BackendMachine.Event? {
        // Without an address there is no conflict, and the backend is ready as soon as it runs.
        guard let address = backend.address else {
            return probeEnded(of: backend, accepted: backend.probe.purpose == .readiness)
        }
        backend.probe.attempt += 1
        switch lookUpSocket(at: address, of: backend) {
        case .noListener: return probeEnded(of: backend, accepted: false)
        case .foreignProcess:
            logAddressConflict(backend)
            return probeEnded(of: backend, accepted: false)
        case .unknownOwner:
            noteUnknownOwner(backend)
            return probeEnded(of: backend, accepted: false)
        case .ownProcess:
            backend.probe.confirmedAttempt = backend.probe.attempt
            // The kernel accepts connections for a listener, so a connect would prove nothing more.
            if conversation(with: backend) == nil { return probeEnded(of: backend, accepted: true) }
        case .unsupported: break
        }
        return connectProbe(at: address, of: backend)
    }

    /// Looks the listening socket up. A lookup costs a sixth of a connect, makes no connection and names the owner.
    private func lookUpSocket(at address: SocketAddress, of backend: SupervisedBackend) -> SocketLookup {
        guard backend.probe.purpose == .readiness, let process = backend.child?.process, backend.listener == nil else {
            return .unsupported
        }
        let listening = kernel.lookUpSocket(at: address, forFamilyOf: process)
        backend.probe.canLookUp = listening != .unsupported
        guard listening == .noListener else { return listening }
        // Behind forwarded ports, such as a container's, only a connect finds the listener.
        let elapsed = elapsed(of: backend)
        guard elapsed >= backend.probe.nextConnect else { return .noListener }
        backend.probe.nextConnect = elapsed + ProbeSchedule.connectPause(after: elapsed)
        return .unsupported
    }

    private func elapsed(of backend: SupervisedBackend) -> Duration {
        let now = kernel.now()
        return now - (backend.child?.lostListenerAt ?? backend.child?.spawnedAt ?? now)
    }

    /// Probes after output, because servers print a line when they begin to listen.
    func childPrinted(_ backend: SupervisedBackend) {
        let probe = backend.probe
        guard probe.purpose == .readiness, probe.canLookUp, probe.descriptor == nil, probe.localReply == nil,
            !probe.sawForeignListener
        else { return }
        if let event = attemptProbe(of: backend) { dispatch(backend, event) }
    }

    private func connectProbe(at address: SocketAddress, of backend: SupervisedBackend) -> BackendMachine.Event? {
        if backend.probe.purpose == .checkAddress, kernel.isOwnListener(address) {
            backend.probe.localReply = "the daemon itself listens"
            return probeEnded(of: backend, accepted: true)
        }
        switch kernel.connectProbe(at: address) {
        case .connected(let descriptor):
            backend.probe.descriptor = descriptor
            return probeConnected(of: backend, isWatched: false)
        case .failed(.tryAgain) where backend.probe.purpose == .checkAddress:
            // A Unix socket with a full queue fails at once (unix(7)): a process listens there.
            return probeEnded(of: backend, accepted: true)
        case .failed(.connectionRefused) where backend.probe.purpose == .checkAddress:
            // The socket file of a killed server would make the next bind fail.
            kernel.removeStaleSocket(at: address)
            return probeEnded(of: backend, accepted: false)
        case .failed:
            return probeEnded(of: backend, accepted: false)
        case .inProgress(let descriptor):
            backend.probe.descriptor = descriptor
            backend.probe.stage = .connecting
            guard watchProbe(of: backend, for: Limits.probeTimeout) else {
                return probeEnded(of: backend, accepted: false)
            }
            return nil
        }
    }

    /// Watches the probe's socket. Returns false, and closes it, if it cannot be watched.
    private func watchProbe(of backend: SupervisedBackend, for timeout: Duration?) -> Bool {
        guard let descriptor = backend.probe.descriptor else { preconditionFailure("there is no probe to watch") }
        let token = Token(.probe, index: backend.id.index, generation: backend.probe.attempt)
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token)
        } catch {
            closeProbe(of: backend)
            return false
        }
        if let timeout { reactor.arm(.probe(backend.id), at: kernel.now() + timeout) }
        return true
    }

    /// Handles an event of the probe's socket.
    func probeReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], let descriptor = backend.probe.descriptor,
            backend.probe.attempt & 0xff_ffff == token.generation
        else { return }
        switch backend.probe.stage {
        case .connecting:
            let isAccepted = kernel.connectFailure(of: descriptor) == nil
            reactor.disarm(.probe(backend.id))
            if !isAccepted { closeProbe(of: backend) }
            let event =
                isAccepted ? probeConnected(of: backend, isWatched: true) : probeEnded(of: backend, accepted: false)
            if let event { dispatch(backend, event) }
        case .talking:
            if let event = converse(with: backend) { dispatch(backend, event) }
        case .queued:
            guard kernel.receive(from: descriptor, into: &buffers) != .wouldBlock else { return }
            closeProbe(of: backend)
            if let event = probeEnded(of: backend, accepted: true) { dispatch(backend, event) }
        case .leaving:
            closeTunnels(of: backend)
        }
    }

    /// Handles the end of a pause or the timeout of an attempt.
    func probeTimerFired(_ id: BackendID) {
        guard let backend = backends[id] else { return }
        let wasUnanswered = backend.probe.descriptor != nil
        if backend.probe.conversation != nil { backend.probe.localReply = "no response in time" }
        closeProbe(of: backend)
        guard let purpose = backend.probe.purpose else { return }  // The close handshake timed out.
        // A full queue means that the address is taken.
        let isTaken = wasUnanswered && purpose == .checkAddress
        let event = isTaken ? probeEnded(of: backend, accepted: true) : attemptProbe(of: backend)
        if let event { dispatch(backend, event) }
    }

    /// Checks that the connection was accepted by the backend's own process tree. A foreign listener that took the
    /// address after the lookup must not get clients. The next attempt checks again.
    private func isAcceptedByOurs(_ backend: SupervisedBackend) -> Bool {
        guard backend.probe.purpose == .readiness, let child = backend.child, let address = backend.address else {
            return true
        }
        guard backend.probe.confirmedAttempt != backend.probe.attempt else { return true }
        switch kernel.listener(
            at: address, accepting: backend.probe.descriptor, belongsToFamilyOf: child.process)
        {
        // A socket of another machine, or behind address translation, cannot belong to a process of this one.
        case .ownProcess, .noListener, .unsupported:
            backend.probe.confirmedAttempt = backend.probe.attempt
            return true
        case .foreignProcess: logAddressConflict(backend)
        case .unknownOwner: noteUnknownOwner(backend)
        }
        return false
    }

    /// A listener with an unknown owner does not count as the backend.
    private func noteUnknownOwner(_ backend: SupervisedBackend) {
        logAddressConflict(backend)
        backend.probe.localReply = "a process listened that could not be shown to be the backend's"
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
            let hasAnswered = backend.probe.localReply != nil || backend.probe.sawForeignListener
            let pause = ProbeSchedule.pause(
                after: elapsed(of: backend), usual: backend.history.startups.quickest,
                byLookup: backend.probe.canLookUp,
                hasAnswered: hasAnswered)
            reactor.arm(.probe(backend.id), at: kernel.now() + pause)
            return nil
        case (nil, _):
            preconditionFailure("a result without a probe")
        }
    }
}

// MARK: - Exchanges

extension Supervisor {
    private func probeConnected(of backend: SupervisedBackend, isWatched: Bool) -> BackendMachine.Event? {
        if backend.probe.purpose == .readiness, backend.listener != nil {
            return queueProbe(of: backend, isWatched: isWatched)
        }
        guard backend.probe.purpose == .readiness, let conversation = conversation(with: backend) else {
            let isOurs = isAcceptedByOurs(backend)
            closeProbe(of: backend)
            return probeEnded(of: backend, accepted: isOurs)
        }
        // Sends no bytes to a foreign listener. A confirmed listener is confirmed again before it counts.
        guard backend.probe.confirmedAttempt != nil || isAcceptedByOurs(backend) else {
            closeProbe(of: backend)
            return probeEnded(of: backend, accepted: false)
        }
        backend.probe.stage = .talking
        backend.probe.conversation = conversation
        backend.probe.unsent = conversation.opening[...]
        if isWatched {
            reactor.arm(.probe(backend.id), at: kernel.now() + Limits.probeResponseTimeout)
        } else if !watchProbe(of: backend, for: Limits.probeResponseTimeout) {
            return probeEnded(of: backend, accepted: false)
        }
        return converse(with: backend)
    }

    /// Probes an inherited socket. The kernel accepts connections before the backend does, so a connect proves nothing.
    /// Therefore the first connection of a generation is the daemon's, with its direction already ended. The backend is
    /// ready once it has accepted and closed it. Only the startup timeout applies.
    private func queueProbe(of backend: SupervisedBackend, isWatched: Bool) -> BackendMachine.Event? {
        guard let descriptor = backend.probe.descriptor else { return nil }
        backend.probe.stage = .queued
        if !isWatched, !watchProbe(of: backend, for: nil) { return probeEnded(of: backend, accepted: false) }
        kernel.endSending(on: descriptor)
        return nil
    }

    private func conversation(with backend: SupervisedBackend) -> ProbeConversation? {
        guard let address = backend.address else { return nil }
        let host = address.port == nil ? "localhost" : address.description
        return ProbeConversation(backend.machine.policy.readiness, host: host, dice: kernel.random)
    }

    /// Sends and receives until there is a verdict or the socket would block.
    private func converse(with backend: SupervisedBackend) -> BackendMachine.Event? {
        guard let descriptor = backend.probe.descriptor else { return nil }
        sendUnsent(of: backend)
        while true {
            let verdict: ProbeConversation.Verdict? =
                switch kernel.receive(from: descriptor, into: &buffers) {
                case .bytes(let count): backend.probe.conversation?.hear(buffers[..<count])
                case .wouldBlock: nil
                case .ended, .failed: backend.probe.conversation?.ended()
                }
            switch verdict {
            case .undecided: continue
            case .ready(let closeHandshake): return probeConvinced(by: backend, closeHandshake)
            case .notReady(let localReply):
                backend.probe.localReply = localReply
                closeProbe(of: backend)
                return probeEnded(of: backend, accepted: false)
            case nil: return nil
            }
        }
    }

    private func probeConvinced(by backend: SupervisedBackend, _ closeHandshake: [UInt8]) -> BackendMachine.Event? {
        guard isAcceptedByOurs(backend) else {
            closeProbe(of: backend)
            return probeEnded(of: backend, accepted: false)
        }
        // Closing with unread bytes would send a reset, which a backend may log as an error.
        backend.probe.stage = .leaving
        backend.probe.conversation = nil
        backend.probe.unsent = closeHandshake[...]
        reactor.arm(.probe(backend.id), at: kernel.now() + Limits.closeTimeout)
        closeTunnels(of: backend)
        return probeEnded(of: backend, accepted: true)
    }

    /// Sends the last bytes and waits for the backend's end.
    private func closeTunnels(of backend: SupervisedBackend) {
        guard let descriptor = backend.probe.descriptor else { return }
        sendUnsent(of: backend)
        // Further output is cut off by the timeout.
        for _ in 0..<Limits.readsPerTurn {
            switch kernel.receive(from: descriptor, into: &buffers) {
            case .bytes: continue
            case .wouldBlock: return
            case .ended, .failed:
                closeProbe(of: backend)
                return reactor.disarm(.probe(backend.id))
            }
        }
    }

    /// A failed socket reports its error at the next read.
    private func sendUnsent(of backend: SupervisedBackend) {
        guard let descriptor = backend.probe.descriptor else { return }
        while !backend.probe.unsent.isEmpty {
            guard case .bytes(let count) = kernel.send(backend.probe.unsent.span, to: descriptor) else { return }
            backend.probe.unsent.removeFirst(count)
        }
    }
}
