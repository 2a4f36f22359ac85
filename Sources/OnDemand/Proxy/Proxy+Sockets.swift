/// Socket operations of an HTTP session.
extension Proxy {
    func connect(to id: BackendID, _ index: Int, _ session: Connection.HTTPSession) {
        if reuseIdleUpstream(index, session) { return session.machine.connected(isKept: true) }
        let address = upstreams[id.index].currentAddress
        if kernel.isOwnListener(address) { return session.machine.connectFailed(isOwnListener: true) }
        switch connectFreeingDescriptors(to: address) {
        case .failed(.tryAgain):
            session.machine.connectionStarted()
            reactor.arm(.connectRetry(clientToken(index)), at: kernel.now() + Limits.connectRetryPause)
        case .failed(let code) where code.isExhaustion:
            rejectForExhaustion(for: id, session)
        case .failed(let code):
            if code.meansNotListening, requeue(index, session) { return }
            session.machine.connectFailed()
        case .connected(let descriptor):
            guard watchUpstream(descriptor, index, session) else { return }
            session.machine.connected(isProven: isProven(index))
        case .inProgress(let descriptor):
            guard watchUpstream(descriptor, index, session) else { return }
            session.machine.connectionStarted()
        }
    }

    private func connectFreeingDescriptors(to address: SocketAddress) -> ConnectResult {
        let first = kernel.connect(to: address)
        guard case .failed(let code) = first, freeDescriptors(after: code) else { return first }
        return kernel.connect(to: address)
    }

    private func rejectForExhaustion(for id: BackendID, _ session: Connection.HTTPSession) {
        session.machine.resourcesRanOut()
        logRefusal(.resourcesExhausted, id, session)
    }

    func retryConnect(_ token: Token) {
        guard connections.contains(index: token.index, generation: token.generation),
            let session = connections[token.index].session, connections[token.index].upstream == nil,
            connections[token.index].lease != nil
        else { return }
        session.machine.connectAgain()
        drive(token.index)
    }

    private func watchUpstream(_ descriptor: Descriptor, _ index: Int, _ session: Connection.HTTPSession) -> Bool {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        connections[index].upstream = .init(descriptor: descriptor, number: lastUpstreamNumber)
        do throws(SystemError) {
            let token = Token(ConnectionToken.upstream, index: index, generation: lastUpstreamNumber)
            try kernel.watch(descriptor, for: .edges, as: token)
            return true
        } catch {
            log(.systemError, LogField("detail", error.description))
            guard error.code.isExhaustion, let lease = connections[index].lease else {
                session.machine.connectFailed()
                return false
            }
            rejectForExhaustion(for: lease.backend, session)
            return false
        }
    }

    /// Completes a connect. Any readiness event decides it (connect(2)). The error of a failed one is read and cleared
    /// with `SO_ERROR`.
    func finishConnecting(_ index: Int) {
        guard let session = table.session(of: index),
            session.machine.awaitsConnection,
            let upstream = table.connections.peek(at: index, for: { $0.upstream })
        else { return }
        guard upstream.readiness.contains(.broken), let code = kernel.connectFailure(of: upstream.descriptor) else {
            return session.machine.connected(isProven: isProven(index))
        }
        if code.meansNotListening, requeue(index, session) { return }
        session.machine.connectFailed()
    }

    /// Whether this generation of the backend has sent a response.
    private func isProven(_ index: Int) -> Bool {
        guard let lease = table.connections.peek(at: index, for: { $0.lease }) else { return true }
        let service = lease.backend.index
        return upstreams[service].proven == lease.generation
            || upstreams[service].unmanagedGeneration == lease.generation
    }

    private func noteProof(_ index: Int, _ session: Connection.HTTPSession) {
        guard session.provesBackend, let lease = table.connections.peek(at: index, for: { $0.lease }) else { return }
        upstreams[lease.backend.index].proven = lease.generation
    }

    /// Queues the request again if the supervised process does not listen yet. Returns false if the client gets 502.
    private func requeue(_ index: Int, _ session: Connection.HTTPSession) -> Bool {
        guard session.machine.mayWaitAgain, let lease = connections[index].lease,
            upstreams[lease.backend.index].unmanagedGeneration != lease.generation
        else { return false }
        let wasSent = session.machine.awaitsResponse
        releaseUpstream(index, session)
        let ticket = issueTicket(for: lease.backend, index, session)
        upstreams[lease.backend.index].queued += 1
        session.machine.waitAgain()
        requests.post(.listenerMissing(lease.backend, ticket, lease.generation, wasSent: wasSent))
        statusChanged()
        return true
    }

    func receiveFromClient(_ index: Int, _ session: Connection.HTTPSession) {
        switch table.receiveFromClient(of: index, through: kernel) {
        case .bytes(let count): session.machine.receivedFromClient(buffers[..<count])
        case .wouldBlock: break
        case .ended: session.machine.clientEnded()
        case .failed: session.machine.clientFailed()
        }
    }

    func receiveFromUpstream(_ index: Int, _ session: Connection.HTTPSession) {
        switch table.receiveFromUpstream(of: index, through: kernel) {
        case .bytes(let count):
            noteProof(index, session)
            session.machine.receivedFromUpstream(buffers[..<count])
        case .wouldBlock: break
        case .ended:
            let isReset = session.machine.upstream.refusesMore || !session.machine.toUpstream.isEmpty
            if isReset, requeue(index, session) { return }
            let isUnread = session.machine.isRetriable && hasUndelivered(to: index)
            session.machine.upstreamEnded(isUnread: isUnread)
        case .failed(.connectionReset), .failed(.brokenPipe):
            if !requeue(index, session) { session.machine.upstreamWasReset() }
        case .failed: session.machine.upstreamFailed()
        }
    }

    private func hasUndelivered(to index: Int) -> Bool {
        connections[index].upstream.map { kernel.hasUndelivered(to: $0.descriptor) } ?? false
    }

    func sendToClient(_ index: Int, _ session: Connection.HTTPSession) {
        let queue = session.machine.toClient
        guard let sent = table.sendToClient(of: index, queue, through: kernel) else {
            return session.machine.clientFailed()
        }
        if sent > 0 { session.machine.sentToClient(sent) }
    }

    func sendToUpstream(_ index: Int, _ session: Connection.HTTPSession) {
        let queue = session.machine.toUpstream
        guard let sent = table.sendToUpstream(of: index, queue, through: kernel) else {
            return session.machine.upstreamRefusedBytes()
        }
        if sent > 0 { session.machine.sentToUpstream(sent) }
    }
}

/// One exclusivity check covers the call and the readiness update.
extension ConnectionTable {
    fileprivate mutating func receiveFromClient(of index: Int, through kernel: some Kernel) -> ReadResult {
        Self.receive(from: &connections[index].client, into: &buffers.ordinary, through: kernel)
    }

    fileprivate mutating func receiveFromUpstream(of index: Int, through kernel: some Kernel) -> ReadResult {
        precondition(connections[index].upstream != nil, "there is no backend to read from")
        return Self.receive(from: &connections[index].upstream!, into: &buffers.ordinary, through: kernel)
    }

    private static func receive(
        from end: inout Connection.Endpoint, into buffers: inout [UInt8], through kernel: some Kernel
    ) -> ReadResult {
        let result = kernel.receive(from: end.descriptor, into: &buffers)
        switch result {
        case .bytes(let count): end.recordRead(count, of: buffers.count)
        case .wouldBlock: end.readiness.remove(.readable)
        case .ended, .failed: break
        }
        return result
    }

    /// Returns the number of bytes written. nil: the connection is broken.
    fileprivate mutating func sendToClient(of index: Int, _ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        let result = queue.withSpan { kernel.send($0, to: connections[index].client.descriptor) }
        return connections[index].client.note(result, of: queue.count)
    }

    fileprivate mutating func sendToUpstream(of index: Int, _ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        guard let descriptor = connections.peek(at: index, for: { $0.upstream?.descriptor }) else {
            preconditionFailure("there is no backend to send to")
        }
        let result = queue.withSpan { kernel.send($0, to: descriptor) }
        return connections[index].upstream!.note(result, of: queue.count)
    }
}
