// Fences of a `SubscriberMachine`, and what waits for them: local messages, and the question whether all is settled.

extension SubscriberMachine {
    /// Channels on which Rails' `remote_connections` disconnect clients, as a pattern of Redis.
    static let remotePattern = Array("action_cable/*".utf8)
    /// The pattern in the place of a stream. No client can name it: it is not UTF-8.
    static let remoteDisconnects: [UInt8] = [0xff] + remotePattern

    mutating func fence() {
        switch state(of: .listening) {
        case .ready:
            send(fence: .caller)
        case .closed: actions.append(.fenced)
        case .connecting, .greeting, .backoff: actions.append(.fenceFailed)
        }
    }

    private mutating func send(fence: Fence) {
        fences.append(fence)
        send(.listening, [Self.ping, Self.fenceName])
    }

    mutating func fenceReached() {
        switch fences.popFirst() {
        case .caller: actions.append(.fenced)
        case .local: deliverLocal()
        case .settling: settled()
        case nil: break
        }
    }

    mutating func settle() {
        guard unpublishedCount == 0, local.isEmpty else { return }
        let mayReturn = hasUnreturned && state(of: .listening) == .ready
        hasUnreturned = false
        guard mayReturn else { return settled() }
        settling = .fence
        send(fence: .settling)
    }

    private mutating func settled() {
        settling = .none
        actions.append(.settled)
    }

    /// The listening link is gone, and with it what was still coming back.
    mutating func failFences() {
        for fence in fences.takeAll() {
            switch fence {
            case .caller: actions.append(.fenceFailed)
            case .local: break  // `deliverLocal` follows.
            case .settling: settled()
            }
        }
        deliverLocal()
    }

    /// Delivers a message that cannot be published: behind the messages that were, while they may be on their way.
    mutating func deliverLocally(_ message: Message) {
        guard state(of: .listening) == .ready, localBytes <= Limits.redisWaitingBytes else {
            deliverLocal()
            return actions.append(.deliver(stream: message.stream, message.text))
        }
        local.append(message)
        localBytes += message.text.count
        if local.count == 1 { send(fence: .local) }
    }

    private mutating func deliverLocal() {
        guard !local.isEmpty else { return }
        let messages = local
        (local, localBytes) = ([], 0)
        for message in messages { actions.append(.deliver(stream: message.stream, message.text)) }
        publishWaiting()
    }
}
