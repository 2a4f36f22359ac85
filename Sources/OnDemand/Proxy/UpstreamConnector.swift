/// The upstreams of HTTP sessions: their connect, their bytes, and their end, in which they are closed or kept idle for
/// the client's next request.
///
/// Invariants: an idle upstream holds no lease, belongs to an open generation and is counted in `idleCount`. The
/// descriptor of an upstream is closed here, or moves with its connection.
final class UpstreamConnector<K: Kernel> {
    private let reactor: Reactor<K>
    private let relay: TunnelRelay<K>
    private let sessions: HTTPSessionTable
    private let services: ServiceTable<K>
    private let queue: RequestQueue<K>
    private let log: ProxyLog<K>
    /// Upstreams without a request.
    private(set) var idleCount = 0
    /// The last upstream number, for tokens.
    private var lastNumber: UInt32 = 0

    private var kernel: K { reactor.kernel }

    init(
        relay: TunnelRelay<K>, sessions: HTTPSessionTable, services: ServiceTable<K>, queue: RequestQueue<K>,
        log: ProxyLog<K>
    ) {
        (self.relay, self.sessions, self.services, self.queue, self.log) = (relay, sessions, services, queue, log)
        reactor = relay.reactor
    }

    // MARK: Connecting

    /// Connects to the backend, or takes the idle upstream. `freeDescriptors` returns whether another attempt is
    /// worthwhile after this error.
    func connect(_ session: HTTPSession, to id: BackendID, freeDescriptors: (Errno) -> Bool) {
        if reuse(session) { return session.machine.connected(isKept: true) }
        let address = services.currentAddress(of: id)
        if kernel.isOwnListener(address) { return session.machine.connectFailed(isOwnListener: true) }
        var result = kernel.connect(to: address)
        if case .failed(let code) = result, freeDescriptors(code) { result = kernel.connect(to: address) }
        switch result {
        case .failed(.tryAgain):
            session.machine.connectionStarted()
            reactor.arm(.connectRetry(session.token), at: kernel.now() + Limits.connectRetryPause)
        case .failed(let code) where code.isExhaustion: rejectForExhaustion(session, of: id)
        case .failed(let code):
            if code.meansNotListening, requeue(session) { return }
            session.machine.connectFailed()
        case .connected(let descriptor):
            guard watch(descriptor, session) else { return }
            session.machine.connected(isProven: isProven(session))
        case .inProgress(let descriptor):
            guard watch(descriptor, session) else { return }
            session.machine.connectionStarted()
        }
    }

    private func watch(_ descriptor: Descriptor, _ session: HTTPSession) -> Bool {
        lastNumber = (lastNumber + 1) & 0xff_ffff
        session.upstream = .init(descriptor: descriptor, number: lastNumber)
        do throws(SystemError) {
            let token = Token(ConnectionToken.upstream, index: session.token.index, generation: lastNumber)
            try kernel.watch(descriptor, for: .edges, as: token)
            return true
        } catch {
            log.failed(error)
            guard error.code.isExhaustion, let lease = session.lease else {
                session.machine.connectFailed()
                return false
            }
            rejectForExhaustion(session, of: lease.backend)
            return false
        }
    }

    private func rejectForExhaustion(_ session: HTTPSession, of id: BackendID) {
        session.machine.resourcesRanOut()
        log.refused(.resourcesExhausted, by: id, session)
    }

    /// The next attempt after a full accept queue. Returns false if the request has ended since.
    func retryConnect(_ session: HTTPSession) -> Bool {
        guard session.upstream == nil, session.lease != nil else { return false }
        session.machine.connectAgain()
        return true
    }

    /// Completes a connect. Any readiness event decides it (connect(2)). The error of a failed one is read and cleared
    /// with `SO_ERROR`.
    func finishConnecting(_ session: HTTPSession) {
        guard session.machine.awaitsConnection, let upstream = session.upstream else { return }
        guard upstream.readiness.contains(.broken), let code = kernel.connectFailure(of: upstream.descriptor) else {
            return session.machine.connected(isProven: isProven(session))
        }
        if code.meansNotListening, requeue(session) { return }
        session.machine.connectFailed()
    }

    /// Whether this generation of the backend has sent a response.
    private func isProven(_ session: HTTPSession) -> Bool {
        guard let lease = session.lease else { return true }
        return services.isProven(lease)
    }

    /// Queues the request again if the supervised process does not listen yet. Returns false if the client gets 502.
    private func requeue(_ session: HTTPSession) -> Bool {
        guard session.machine.mayWaitAgain, let lease = session.lease, !services.isUnmanaged(lease) else {
            return false
        }
        let wasSent = session.machine.awaitsResponse
        release(session)
        queue.requeue(session, of: lease, wasSent: wasSent)
        return true
    }

    // MARK: Bytes

    func receive(_ session: HTTPSession) {
        switch session.receiveFromUpstream(into: &relay.readBuffer, through: kernel) {
        case .bytes(let count):
            if session.provesBackend, let lease = session.lease { services.proved(lease) }
            session.machine.receivedFromUpstream(relay.readBuffer[..<count])
        case .wouldBlock: break
        case .ended:
            let isReset = session.machine.upstream.refusesMore || !session.machine.toUpstream.isEmpty
            if isReset, requeue(session) { return }
            let isUnread = session.machine.isRetriable && hasUndelivered(to: session)
            session.machine.upstreamEnded(isUnread: isUnread)
        case .failed(.connectionReset), .failed(.brokenPipe):
            if !requeue(session) { session.machine.upstreamWasReset() }
        case .failed: session.machine.upstreamFailed()
        }
    }

    private func hasUndelivered(to session: HTTPSession) -> Bool {
        session.upstream.map { kernel.hasUndelivered(to: $0.descriptor) } ?? false
    }

    func send(_ session: HTTPSession) {
        guard let sent = session.sendToUpstream(session.machine.toUpstream, through: kernel) else {
            return session.machine.upstreamRefusedBytes()
        }
        if sent > 0 { session.machine.sentToUpstream(sent) }
    }

    // MARK: The end

    /// Closes the upstream and returns the lease, if there are any.
    func release(_ session: HTTPSession) {
        forgetIdle(session)
        if let upstream = session.upstream { kernel.close(upstream.descriptor) }
        if let lease = session.lease {
            if session.upstream == nil { reactor.disarm(.connectRetry(session.token)) }
            session.lease = nil
            services.endUse(of: lease, wasUncounted: false)
        }
        session.upstream = nil
        session.hasGenerationEnded = false
        session.machine.releasedUpstream()
    }

    /// Closes the upstream of a session that has ended. The lease is returned by the caller, after its connection is
    /// counted nowhere.
    func close(_ session: HTTPSession) {
        if session.upstream == nil, session.lease != nil { reactor.disarm(.connectRetry(session.token)) }
        forgetIdle(session)
        if let upstream = session.upstream { kernel.close(upstream.descriptor) }
    }

    // MARK: Idle upstreams

    /// Keeps the upstream idle and returns the lease, so that the idle timer starts. Only upstreams of a current
    /// generation are kept.
    func keep(_ session: HTTPSession) {
        guard let lease = session.lease, services.isOpen(lease.backend) else { return release(session) }
        session.idleUpstream = lease
        idleCount += 1
        session.lease = nil
        session.hasGenerationEnded = false
        session.machine.keptUpstream()
        services.endUse(of: lease, wasUncounted: false)
    }

    /// Returns true if the idle upstream belongs to the current generation. The read detects bytes or an end that epoll
    /// has not reported yet.
    private func reuse(_ session: HTTPSession) -> Bool {
        guard let upstream = session.upstream else { return false }
        let belongs = session.idleUpstream == session.lease
        forgetIdle(session)
        if belongs, kernel.receive(from: upstream.descriptor, into: &relay.readBuffer) == .wouldBlock { return true }
        kernel.close(upstream.descriptor)
        session.upstream = nil
        return false
    }

    private func forgetIdle(_ session: HTTPSession) {
        guard session.idleUpstream != nil else { return }
        session.idleUpstream = nil
        idleCount -= 1
    }

    /// Closes idle upstreams before their backend is stopped.
    func closeIdleOfClosedGate(_ id: BackendID) {
        // Processes without routes have no gate here.
        guard idleCount > 0, id.index < BackendID.firstProcess, !services.isOpen(id) else { return }
        closeIdle { $0.backend == id }
    }

    /// Closes idle upstreams at once. Clients do not notice.
    func closeIdle(where matches: (Lease) -> Bool) {
        guard idleCount > 0 else { return }
        for session in sessions.all {
            guard let idleUpstream = session.idleUpstream, matches(idleUpstream), let upstream = session.upstream else {
                continue
            }
            forgetIdle(session)
            kernel.close(upstream.descriptor)
            session.upstream = nil
            session.machine.releasedUpstream()
            // The client's deadline changes.
            reactor.resumeLater(session.token)
        }
    }
}
