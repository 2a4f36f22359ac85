/// The conversation's dealings with its two sockets.
extension Proxy {
    func connect(to id: BackendID, _ index: Int, _ conversation: Link.Conversation) {
        if takeUpSpare(index, conversation) { return conversation.machine.connected(isKept: true) }
        let address = upstreams[id.index].currentAddress
        if kernel.isOwnListener(address) { return conversation.machine.connectFailed(isOwnListener: true) }
        switch connectMakingRoom(to: address) {
        case .failed(.tryAgain):
            conversation.machine.connectionStarted()
            reactor.arm(.connectRetry(clientToken(index)), at: kernel.now() + Limits.connectRetryPause)
        case .failed(let code) where code.isExhaustion:
            findNoRoom(for: id, conversation)
        case .failed(let code):
            if code.meansNobodyListens, waitAgain(index, conversation) { return }
            conversation.machine.connectFailed()
        case .connected(let descriptor):
            guard watchUpstream(descriptor, index, conversation) else { return }
            conversation.machine.connected(isProven: isProven(index))
        case .inProgress(let descriptor):
            guard watchUpstream(descriptor, index, conversation) else { return }
            conversation.machine.connectionStarted()
        }
    }

    private func connectMakingRoom(to address: SocketAddress) -> ConnectResult {
        let first = kernel.connect(to: address)
        guard case .failed(let code) = first, makeRoom(because: code) else { return first }
        return kernel.connect(to: address)
    }

    private func findNoRoom(for id: BackendID, _ conversation: Link.Conversation) {
        conversation.machine.foundNoRoom()
        logRefusal(.noRoom, id, conversation)
    }

    func retryConnect(_ token: Token) {
        guard links.contains(index: token.index, generation: token.generation),
            let conversation = links[token.index].conversation, links[token.index].upstream == nil,
            let lease = links[token.index].lease
        else { return }
        conversation.machine.connectAgain(to: lease.backend)
        drive(token.index)
    }

    private func watchUpstream(_ descriptor: Descriptor, _ index: Int, _ conversation: Link.Conversation) -> Bool {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        links[index].upstream = .init(descriptor: descriptor, number: lastUpstreamNumber)
        do throws(SystemError) {
            let token = Token(.upstream, index: index, generation: lastUpstreamNumber)
            try kernel.watch(descriptor, for: .edges, as: token)
            return true
        } catch {
            log(.systemTrouble, LogField("detail", error.description))
            guard error.code.isExhaustion, let lease = links[index].lease else {
                conversation.machine.connectFailed()
                return false
            }
            findNoRoom(for: lease.backend, conversation)
            return false
        }
    }

    /// Any readiness decides a connection that was on its way (connect(2)); one that failed says so, and then which
    /// failure it was is asked for, so that the socket tells it no more.
    func finishConnecting(_ index: Int) {
        guard let conversation = board.conversation(of: index),
            case .awaitingConnection = conversation.machine.phase,
            let upstream = board.links.look(at: index, for: { $0.upstream })
        else { return }
        guard upstream.readiness.contains(.broken), let code = kernel.connectFailure(of: upstream.descriptor) else {
            return conversation.machine.connected(isProven: isProven(index))
        }
        if code.meansNobodyListens, waitAgain(index, conversation) { return }
        conversation.machine.connectFailed()
    }

    /// Whether the life of the backend that this link belongs to has answered something.
    private func isProven(_ index: Int) -> Bool {
        guard let lease = board.links.look(at: index, for: { $0.lease }) else { return true }
        let service = lease.backend.index
        return upstreams[service].proven == lease.generation || upstreams[service].plainGeneration == lease.generation
    }

    private func noteProof(_ index: Int, _ conversation: Link.Conversation) {
        guard conversation.provesBackend, let lease = board.links.look(at: index, for: { $0.lease }) else { return }
        upstreams[lease.backend.index].proven = lease.generation
    }

    /// False where it is answered 502. While a process lives that the daemon supervises, "nobody listens" is "not ready
    /// yet": the supervisor looks again, and the request is queued as it was before.
    private func waitAgain(_ index: Int, _ conversation: Link.Conversation) -> Bool {
        guard conversation.machine.mayWaitAgain, let lease = links[index].lease,
            upstreams[lease.backend.index].plainGeneration != lease.generation
        else { return false }
        let wasSent = conversation.machine.phase == .relaying
        releaseUpstream(index, conversation)
        let ticket = issueTicket(for: lease.backend, index, conversation)
        upstreams[lease.backend.index].held += 1
        conversation.machine.waitAgain(for: lease.backend)
        requests.post(.foundNobody(lease.backend, ticket, lease.generation, wasSent: wasSent))
        statusChanged()
        return true
    }

    func receiveFromClient(_ index: Int, _ conversation: Link.Conversation) {
        switch board.receiveFromClient(of: index, through: kernel) {
        case .bytes(let count): conversation.machine.receivedFromClient(scratch[..<count])
        case .wouldBlock: break
        case .ended: conversation.machine.clientEnded()
        case .failed: conversation.machine.clientFailed()
        }
    }

    func receiveFromUpstream(_ index: Int, _ conversation: Link.Conversation) {
        switch board.receiveFromUpstream(of: index, through: kernel) {
        case .bytes(let count):
            noteProof(index, conversation)
            conversation.machine.receivedFromUpstream(scratch[..<count])
        case .wouldBlock: break
        case .ended:
            let isReset = conversation.machine.upstreamRefusesMore || !conversation.machine.toUpstream.isEmpty
            if isReset, waitAgain(index, conversation) { return }
            let isUnread = conversation.machine.mayAskAgain && hasUndelivered(to: index)
            conversation.machine.upstreamEnded(isUnread: isUnread)
        case .failed(.connectionReset), .failed(.brokenPipe):
            if !waitAgain(index, conversation) { conversation.machine.upstreamWasReset() }
        case .failed: conversation.machine.upstreamFailed()
        }
    }

    private func hasUndelivered(to index: Int) -> Bool {
        links[index].upstream.map { kernel.hasUndelivered(to: $0.descriptor) } ?? false
    }

    func sendToClient(_ index: Int, _ conversation: Link.Conversation) {
        let queue = conversation.machine.toClient
        guard let sent = board.sendToClient(of: index, queue, through: kernel) else {
            return conversation.machine.clientFailed()
        }
        if sent > 0 { conversation.machine.sentToClient(sent) }
    }

    func sendToUpstream(_ index: Int, _ conversation: Link.Conversation) {
        let queue = conversation.machine.toUpstream
        guard let sent = board.sendToUpstream(of: index, queue, through: kernel) else {
            return conversation.machine.upstreamRefusedBytes()
        }
        if sent > 0 { conversation.machine.sentToUpstream(sent) }
    }
}

/// One check of exclusive access covers a call and what is learnt from it.
extension Switchboard {
    fileprivate mutating func receiveFromClient(of index: Int, through kernel: some Kernel) -> ReadResult {
        Self.receive(from: &links[index].client, into: &scratch.ordinary, through: kernel)
    }

    fileprivate mutating func receiveFromUpstream(of index: Int, through kernel: some Kernel) -> ReadResult {
        precondition(links[index].upstream != nil, "there is no backend to read from")
        return Self.receive(from: &links[index].upstream!, into: &scratch.ordinary, through: kernel)
    }

    private static func receive(
        from end: inout Link.End, into scratch: inout [UInt8], through kernel: some Kernel
    ) -> ReadResult {
        let result = kernel.receive(from: end.descriptor, into: &scratch)
        switch result {
        case .bytes(let count): end.noteRead(count, of: scratch.count)
        case .wouldBlock: end.readiness.remove(.readable)
        case .ended, .failed: break
        }
        return result
    }

    /// How much was taken; nil when the connection is broken.
    fileprivate mutating func sendToClient(of index: Int, _ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        let result = queue.withSpan { kernel.send($0, to: links[index].client.descriptor) }
        return links[index].client.note(result, of: queue.count)
    }

    fileprivate mutating func sendToUpstream(of index: Int, _ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        guard let descriptor = links.look(at: index, for: { $0.upstream?.descriptor }) else {
            preconditionFailure("there is no backend to send to")
        }
        let result = queue.withSpan { kernel.send($0, to: descriptor) }
        return links[index].upstream!.note(result, of: queue.count)
    }
}
