/// The conversation's dealings with its two sockets.
extension Proxy {
    func connect(to id: BackendID, _ index: Int, _ conversation: Link.Conversation) {
        if takeUpSpare(index, conversation) { return conversation.machine.connected(isKept: true) }
        switch connectMakingRoom(to: upstreams[id.index].currentAddress) {
        case .failed(.tryAgain):
            conversation.machine.connectionStarted()
            reactor.arm(.connectRetry(clientToken(index)), at: kernel.now() + Limits.connectRetryPause)
        case .failed(let code) where code.isExhaustion:
            findNoRoom(for: id, conversation)
        case .failed:
            conversation.machine.connectFailed()
        case .connected(let descriptor):
            guard watchUpstream(descriptor, index, conversation) else { return }
            conversation.machine.connected()
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
        guard let conversation = board.conversation(of: index), conversation.machine.phase == .awaitingConnection,
            let upstream = links[index].upstream
        else { return }
        if !upstream.readiness.contains(.broken) || kernel.connectFailure(of: upstream.descriptor) == nil {
            conversation.machine.connected()
        } else {
            conversation.machine.connectFailed()
        }
    }

    func receiveFromClient(_ index: Int, _ conversation: Link.Conversation) {
        switch kernel.receive(from: links[index].client.descriptor, into: &scratch) {
        case .bytes(let count):
            links[index].client.noteRead(count, of: scratch.count)
            conversation.machine.receivedFromClient(scratch[..<count])
        case .wouldBlock: links[index].client.readiness.remove(.readable)
        case .ended: conversation.machine.clientEnded()
        case .failed: conversation.machine.clientFailed()
        }
    }

    func receiveFromUpstream(_ index: Int, _ conversation: Link.Conversation) {
        guard let upstream = links[index].upstream else { preconditionFailure("there is no backend to read from") }
        switch kernel.receive(from: upstream.descriptor, into: &scratch) {
        case .bytes(let count):
            links[index].upstream!.noteRead(count, of: scratch.count)
            conversation.machine.receivedFromUpstream(scratch[..<count])
        case .wouldBlock: links[index].upstream!.readiness.remove(.readable)
        case .ended:
            let isUnread = conversation.machine.mayAskAgain && kernel.hasUndelivered(to: upstream.descriptor)
            conversation.machine.upstreamEnded(isUnread: isUnread)
        case .failed(.connectionReset), .failed(.brokenPipe): conversation.machine.upstreamWasReset()
        case .failed: conversation.machine.upstreamFailed()
        }
    }

    func sendToClient(_ index: Int, _ conversation: Link.Conversation) {
        let descriptor = links[index].client.descriptor
        let result = conversation.machine.toClient.withSpan { kernel.send($0, to: descriptor) }
        guard let sent = links[index].client.note(result, of: conversation.machine.toClient.count) else {
            return conversation.machine.clientFailed()
        }
        if sent > 0 { conversation.machine.sentToClient(sent) }
    }

    func sendToUpstream(_ index: Int, _ conversation: Link.Conversation) {
        guard let upstream = links[index].upstream else { preconditionFailure("there is no backend to send to") }
        let result = conversation.machine.toUpstream.withSpan { kernel.send($0, to: upstream.descriptor) }
        guard let sent = links[index].upstream!.note(result, of: conversation.machine.toUpstream.count) else {
            return conversation.machine.upstreamRefusedBytes()
        }
        if sent > 0 { conversation.machine.sentToUpstream(sent) }
    }
}
