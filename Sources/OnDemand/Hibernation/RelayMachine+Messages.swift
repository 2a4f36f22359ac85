/// The messages of a backend: delivered, or the confirmations of a replay.
extension RelayMachine {
    mutating func message(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        guard hasUpstream else { return }
        if case .attached(var attachment) = state, !attachment.isWelcomed {
            attachment.isWelcomed = true
            state = .attached(attachment)
        }
        switch UpstreamMessage.read(text.span) {
        case .ping: effects.append(.pinged)  // The cable sends the client's pings itself.
        case .welcome(let isPlain): welcome(text, isPlain, rules, &effects)
        case .confirmation(let identifier): confirmation(identifier, text, rules, &effects)
        case .rejection(let identifier): rejection(identifier, text, &effects)
        case .disconnect(let reason): disconnected(reason, text, rules, &effects)
        case .data:
            if case .attached(var attachment) = state {
                attachment.hasCommandInFlight = false
                state = .attached(attachment)
            }
            effects.append(.deliver(text))
        }
    }

    mutating func welcome(
        _ text: [UInt8], _ isPlain: Bool, _ rules: Rules, _ effects: inout [Effect]
    ) {
        switch state {
        case .attached:
            if !isPlain { isOpaque = true }
            effects.append(.deliver(text))
        case .waking(let queue):
            // The first connection was plain, so this one is not like it.
            guard isPlain || !hadUpstream else { return end(.notAccepted, &effects) }
            if !isPlain { isOpaque = true }
            replay(queue, rules, &effects)
        case .hibernating, .replaying, .restored, .detaching, .over: break
        }
    }

    mutating func replay(_ queue: ClientCommandQueue, _ rules: Rules, _ effects: inout [Effect]) {
        for index in journal.indices {
            journal[index].progress = .replayed
            effects.append(.send(Self.subscribe(journal[index].identifier)))
        }
        state = journal.isEmpty ? .restored(queue) : .replaying(queue)
    }

    static let before = Array(#"{"command":"subscribe","identifier":"#.utf8)

    static func subscribe(_ identifier: [UInt8]) -> [UInt8] { before + identifier + [UInt8(ascii: "}")] }

    mutating func confirmation(
        _ identifier: JSONSlice, _ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]
    ) {
        guard let index = journal.index(of: identifier, in: text.span) else {
            // The client has unsubscribed meanwhile, and expects either.
            if case .attached = state { effects.append(.deliver(text)) }
            return
        }
        switch journal[index].progress {
        case .confirmed: break
        case .requested:
            journal[index].progress = .confirmed
            effects.append(.deliver(text))
            listen(index, rules, &effects)
        case .replayed:
            journal[index].progress = .confirmed
            effects.append(.count(.replayed))
            if rules.hasSource, journal[index].hasStreams {
                effects.append(.endDelivery(identifier: journal[index].identifier))
            }
            guard case .replaying(let queue) = state, journal.subscriptions.allSatisfy({ $0.progress != .replayed })
            else { break }
            state = .restored(queue)
        }
    }

    mutating func listen(_ index: Int, _ rules: Rules, _ effects: inout [Effect]) {
        guard rules.hibernates, journal[index].hasStreams, let streams = journal[index].properties.streams else {
            return
        }
        journal[index].isListened = true
        effects.append(.listen(streams))
        // Without Redis the backend does not hear what programs post to the cable.
        if !rules.hasSource {
            effects.append(.beginDelivery(identifier: journal[index].identifier, streams: streams))
        }
    }

    mutating func rejection(_ identifier: JSONSlice, _ text: [UInt8], _ effects: inout [Effect]) {
        guard let index = journal.index(of: identifier, in: text.span) else {
            if case .attached = state { effects.append(.deliver(text)) }
            return
        }
        switch journal[index].progress {
        case .requested:
            _ = journal.remove(at: index)
            effects.append(.deliver(text))
        // The client's library may ignore a rejection that it does not expect.
        case .replayed: end(.replayRejected, &effects)
        case .confirmed:
            unsubscribe(index, &effects)
            effects.append(.deliver(text))
        }
    }

    mutating func disconnected(
        _ reason: UpstreamMessage.DisconnectReason, _ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]
    ) {
        switch state {
        case .over, .hibernating: break
        case .detaching:
            // The application's own decision is the client's also when the backend is about to sleep.
            if reason == .remote { endRemotely(text, &effects) }
        case .attached(var attachment):
            // A planned restart of the backend is a sleep and a wake.
            if reason == .serverRestart, attachment.isWelcomed, isRestorable(rules), !attachment.hasCommandInFlight {
                return detach(rules, &effects)
            }
            attachment.isDismissed = true
            state = .attached(attachment)
            effects.append(.deliver(text))
        case .waking(let queue), .replaying(let queue), .restored(let queue):
            switch reason {
            case .remote: endRemotely(text, &effects)
            case .unauthorized where !rules.backendAccepts && journal.isEmpty: refuse(queue, &effects)
            case .unauthorized, .serverRestart, .other: end(.notAccepted, &effects)
            }
        }
    }

    /// The application has disconnected the client: it gets the backend's words, and no other ones.
    mutating func endRemotely(_ text: [UInt8], _ effects: inout [Effect]) {
        effects.append(.deliver(text))
        effects.append(.abortUpstream)
        state = .over
        effects.append(.endClient)
    }
}
