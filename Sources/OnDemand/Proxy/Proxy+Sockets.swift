/// Socket operations of an HTTP session.
extension Proxy {
    func connect(to id: BackendID, _ session: HTTPSession) {
        if reuseIdleUpstream(session) { return session.machine.connected(isKept: true) }
        let address = upstreams[id.index].currentAddress
        if kernel.isOwnListener(address) { return session.machine.connectFailed(isOwnListener: true) }
        switch connectFreeingDescriptors(to: address) {
        case .failed(.tryAgain):
            session.machine.connectionStarted()
            reactor.arm(.connectRetry(session.token), at: kernel.now() + Limits.connectRetryPause)
        case .failed(let code) where code.isExhaustion:
            rejectForExhaustion(for: id, session)
        case .failed(let code):
            if code.meansNotListening, requeue(session) { return }
            session.machine.connectFailed()
        case .connected(let descriptor):
            guard watchUpstream(descriptor, session) else { return }
            session.machine.connected(isProven: isProven(session))
        case .inProgress(let descriptor):
            guard watchUpstream(descriptor, session) else { return }
            session.machine.connectionStarted()
        }
    }

    private func connectFreeingDescriptors(to address: SocketAddress) -> ConnectResult {
        let first = kernel.connect(to: address)
        guard case .failed(let code) = first, freeDescriptors(after: code) else { return first }
        return kernel.connect(to: address)
    }

    private func rejectForExhaustion(for id: BackendID, _ session: HTTPSession) {
        session.machine.resourcesRanOut()
        logRefusal(.resourcesExhausted, id, session)
    }

    func retryConnect(_ token: Token) {
        guard let session = session(named: token), session.upstream == nil, session.lease != nil else { return }
        session.machine.connectAgain()
        runSteps(token.index, session)
    }

    private func watchUpstream(_ descriptor: Descriptor, _ session: HTTPSession) -> Bool {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        session.upstream = .init(descriptor: descriptor, number: lastUpstreamNumber)
        do throws(SystemError) {
            let token = Token(
                ConnectionToken.upstream, index: session.token.index, generation: lastUpstreamNumber)
            try kernel.watch(descriptor, for: .edges, as: token)
            return true
        } catch {
            log(.systemError, LogField("detail", error.description))
            guard error.code.isExhaustion, let lease = session.lease else {
                session.machine.connectFailed()
                return false
            }
            rejectForExhaustion(for: lease.backend, session)
            return false
        }
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
        let service = lease.backend.index
        return upstreams[service].proven == lease.generation
            || upstreams[service].unmanagedGeneration == lease.generation
    }

    private func noteProof(_ session: HTTPSession) {
        guard session.provesBackend, let lease = session.lease else { return }
        upstreams[lease.backend.index].proven = lease.generation
    }

    /// Queues the request again if the supervised process does not listen yet. Returns false if the client gets 502.
    private func requeue(_ session: HTTPSession) -> Bool {
        guard session.machine.mayWaitAgain, let lease = session.lease,
            upstreams[lease.backend.index].unmanagedGeneration != lease.generation
        else { return false }
        let wasSent = session.machine.awaitsResponse
        releaseUpstream(session)
        let ticket = issueTicket(for: lease.backend, session)
        upstreams[lease.backend.index].queued += 1
        session.machine.waitAgain()
        requests.post(.listenerMissing(lease.backend, ticket, lease.generation, wasSent: wasSent))
        statusChanged()
        return true
    }

    func receiveFromClient(_ session: HTTPSession) {
        switch session.receiveFromClient(into: &buffers, through: kernel) {
        case .bytes(let count): session.machine.receivedFromClient(buffers[..<count])
        case .wouldBlock: break
        case .ended: session.machine.clientEnded()
        case .failed: session.machine.clientFailed()
        }
    }

    func receiveFromUpstream(_ session: HTTPSession) {
        switch session.receiveFromUpstream(into: &buffers, through: kernel) {
        case .bytes(let count):
            noteProof(session)
            session.machine.receivedFromUpstream(buffers[..<count])
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

    func sendToClient(_ session: HTTPSession) {
        guard let sent = session.sendToClient(session.machine.toClient, through: kernel) else {
            return session.machine.clientFailed()
        }
        if sent > 0 { session.machine.sentToClient(sent) }
    }

    func sendToUpstream(_ session: HTTPSession) {
        guard let sent = session.sendToUpstream(session.machine.toUpstream, through: kernel) else {
            return session.machine.upstreamRefusedBytes()
        }
        if sent > 0 { session.machine.sentToUpstream(sent) }
    }
}
