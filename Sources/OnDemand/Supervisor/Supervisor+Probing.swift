/// Asking an address whether somebody serves there: before a start to find strangers, during it to find readiness.
extension Supervisor {
    func startProbe(of backend: SupervisedBackend, _ purpose: Probe.Purpose) -> BackendMachine.Event? {
        beginProbe(of: backend, purpose)
        switch (purpose, backend.machine.policy.readiness) {
        case (.checkAddress, _) where backend.listener != nil || backend.picksPort:
            // Nobody can be where we listen ourselves, or where nobody was a moment ago.
            backend.probe.purpose = nil
            return .addressFree
        case (.readiness, .notify):
            return nil  // Its word comes first.
        default:
            return attemptProbe(of: backend)
        }
    }

    /// Of a process that was ready: its word was given, and a listener that is there at this moment has just been found
    /// wanting, so the first attempt waits.
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
        // Without an address nobody can be in its way, and it is ready as soon as it runs.
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
            // The kernel accepts for who listens: there is nothing that a connection would add.
            if conversation(with: backend) == nil { return probeEnded(of: backend, accepted: true) }
        case .unsupported: break
        }
        return connectProbe(at: address, of: backend)
    }

    /// A look costs a sixth of a knock, makes no connection, and tells whose the socket is.
    private func lookUpSocket(at address: SocketAddress, of backend: SupervisedBackend) -> SocketLookup {
        guard backend.probe.purpose == .readiness, let process = backend.child?.process, backend.listener == nil else {
            return .unsupported
        }
        let listening = kernel.lookUpSocket(at: address, forFamilyOf: process)
        backend.probe.canLookUp = listening != .unsupported
        guard listening == .noListener else { return listening }
        // Where the system passes connections on, as into a container, only a knock finds who takes them.
        let elapsed = elapsed(of: backend)
        guard elapsed >= backend.probe.nextConnect else { return .noListener }
        backend.probe.nextConnect = elapsed + ProbeSchedule.connectPause(after: elapsed)
        return .unsupported
    }

    private func elapsed(of backend: SupervisedBackend) -> Duration {
        let now = kernel.now()
        return now - (backend.child?.lostListenerAt ?? backend.child?.spawnedAt ?? now)
    }

    /// Servers print that they listen at the moment they do, so what they print is worth a look.
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
            // A Unix socket whose queue is full says so at once (unix(7)): somebody listens there.
            return probeEnded(of: backend, accepted: true)
        case .failed(.connectionRefused) where backend.probe.purpose == .checkAddress:
            // The file of a killed server would keep the next one from binding its address.
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

    /// False when nobody would hear of it: then it is closed.
    private func watchProbe(of backend: SupervisedBackend, for patience: Duration?) -> Bool {
        guard let descriptor = backend.probe.descriptor else { preconditionFailure("there is no probe to watch") }
        let token = Token(.probe, index: backend.id.index, generation: backend.probe.attempt)
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token)
        } catch {
            closeProbe(of: backend)
            return false
        }
        if let patience { reactor.arm(.probe(backend.id), at: kernel.now() + patience) }
        return true
    }

    /// Something about the attempt's socket has changed.
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

    /// Either the pause before the next attempt is over, or an attempt got no answer at all.
    func probeTimerFired(_ id: BackendID) {
        guard let backend = backends[id] else { return }
        let wasUnanswered = backend.probe.descriptor != nil
        if backend.probe.conversation != nil { backend.probe.localReply = "it did not answer in time" }
        closeProbe(of: backend)
        guard let purpose = backend.probe.purpose else { return }  // The farewell took too long.
        // Somebody's queue of connections is full; whoever that is, the address is not free.
        let isTaken = wasUnanswered && purpose == .checkAddress
        let event = isTaken ? probeEnded(of: backend, accepted: true) : attemptProbe(of: backend)
        if let event { dispatch(backend, event) }
    }

    /// A stranger that took the address after we had looked must not get our clients either. It is looked at again at
    /// the next attempt; our own process will most likely have ended by then, because the address is in use.
    private func isAcceptedByOurs(_ backend: SupervisedBackend) -> Bool {
        guard backend.probe.purpose == .readiness, let child = backend.child, let address = backend.address else {
            return true
        }
        guard backend.probe.confirmedAttempt != backend.probe.attempt else { return true }
        switch kernel.listener(
            at: address, accepting: backend.probe.descriptor, belongsToFamilyOf: child.process)
        {
        // A socket of another machine, or behind translated addresses, cannot be taken by a process of this one.
        case .ownProcess, .noListener, .unsupported:
            backend.probe.confirmedAttempt = backend.probe.attempt
            return true
        case .foreignProcess: logAddressConflict(backend)
        case .unknownOwner: noteUnknownOwner(backend)
        }
        return false
    }

    /// What cannot be shown to be the backend's does not count as the backend.
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
            preconditionFailure("a probe nobody asked for")
        }
    }
}

// MARK: - Conversations

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
        // A stranger is not even spoken to; who has once been shown to be ours is looked at again before it counts.
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

    /// The kernel accepts for who inherits our socket, so being connected says nothing. The first connection of a
    /// generation is therefore ours, and has ended before it is taken: once the backend ends it, too, it has taken it.
    /// Nothing is asked twice, and no clock runs but that of the start.
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

    /// Says and hears what it can, until there is a verdict.
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
        // A close with unread bytes is a reset, and looks like a mistake of ours in the backend's log.
        backend.probe.stage = .leaving
        backend.probe.conversation = nil
        backend.probe.unsent = closeHandshake[...]
        reactor.arm(.probe(backend.id), at: kernel.now() + Limits.closeTimeout)
        closeTunnels(of: backend)
        return probeEnded(of: backend, accepted: true)
    }

    /// Says the last word and waits for the backend's.
    private func closeTunnels(of backend: SupervisedBackend) {
        guard let descriptor = backend.probe.descriptor else { return }
        sendUnsent(of: backend)
        // What a chatty backend says beyond this is cut off in a moment.
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

    /// A socket that fails here says so when it is read.
    private func sendUnsent(of backend: SupervisedBackend) {
        guard let descriptor = backend.probe.descriptor else { return }
        while !backend.probe.unsent.isEmpty {
            guard case .bytes(let count) = kernel.send(backend.probe.unsent.span, to: descriptor) else { return }
            backend.probe.unsent.removeFirst(count)
        }
    }
}
