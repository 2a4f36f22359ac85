/// The life of an upstream: its end, the sleep of the backend, and failed wakes.
extension RelayMachine {
    mutating func upstreamEnded(
        _ hasGap: Bool, _ isCut: Bool, _ rules: Rules, _ effects: inout [Effect]
    ) {
        switch state {
        case .over, .hibernating: break
        case .attached(let attachment):
            if attachment.isDismissed {
                state = .over
                effects.append(.endClient)
            } else if !attachment.isWelcomed || !isRestorable(rules) {
                end(.stateLost, &effects)
            } else if attachment.hasCommandInFlight || isCut {
                end(.commandInFlight, &effects)
            } else if hasGap, !streams.isEmpty {
                end(.notListening, &effects)
            } else {
                hibernate(rules, &effects)
            }
        case .detaching(let queue):
            // The backend may have sent a binary message since.
            guard !isOpaque else { return end(.stateLost, &effects) }
            guard !isCut else { return end(.commandInFlight, &effects) }
            state = .hibernating
            // The first command that needs the backend wakes it; those before need none.
            for text in queue.commands { command(text, rules, &effects) }
        case .waking(let queue): dialAgain(queue, rules, &effects)
        case .replaying(let queue), .restored(let queue):
            let backendDelivers = journal.subscriptions.contains {
                $0.progress == .confirmed && $0.hasStreams
            }
            if hasGap, backendDelivers { return end(.notListening, &effects) }
            dialAgain(queue, rules, &effects)
        }
    }

    /// What the backend has confirmed meanwhile is delivered by the cable again.
    mutating func dialAgain(_ queue: ClientCommandQueue, _ rules: Rules, _ effects: inout [Effect]) {
        guard !isOpaque || !hadUpstream else { return end(.stateLost, &effects) }
        if case .waking = state {} else { beginDeliveries(rules, &effects) }
        for index in journal.indices { journal[index].progress = .confirmed }
        state = .waking(queue)
        effects.append(.acquireAgain)
    }

    mutating func hibernate(_ rules: Rules, _ effects: inout [Effect]) {
        state = .hibernating
        beginDeliveries(rules, &effects)
    }

    mutating func beginDeliveries(_ rules: Rules, _ effects: inout [Effect]) {
        guard rules.hasSource else { return }
        for subscription in journal.subscriptions {
            guard subscription.hasStreams, let streams = subscription.properties.streams else { continue }
            effects.append(.beginDelivery(identifier: subscription.identifier, streams: streams))
        }
    }

    mutating func detach(_ rules: Rules, _ effects: inout [Effect]) {
        state = .detaching(ClientCommandQueue())
        beginDeliveries(rules, &effects)
        effects.append(.closeUpstream)
    }

    mutating func backendStops(_ canListen: Bool, _ rules: Rules, _ effects: inout [Effect]) {
        switch state {
        case .over, .hibernating, .detaching: break
        case .attached(let attachment):
            guard !attachment.isDismissed else { break }
            guard attachment.isWelcomed, isRestorable(rules) else { return end(.stateLost, &effects) }
            guard canListen || streams.isEmpty else { return end(.notListening, &effects) }
            detach(rules, &effects)
        case .waking(let queue), .replaying(let queue), .restored(let queue):
            guard !isOpaque || !hadUpstream else { return end(.stateLost, &effects) }
            effects.append(.abortUpstream)
            dialAgain(queue, rules, &effects)
        }
    }

    mutating func upstreamRefused(_ isFinal: Bool, _ rules: Rules, _ effects: inout [Effect]) {
        switch state {
        case .waking(let queue):
            guard isFinal else { return dialAgain(queue, rules, &effects) }
            guard rules.backendAccepts || !journal.isEmpty else { return refuse(queue, &effects) }
            end(.notAccepted, &effects)
        case .hibernating, .replaying, .restored, .attached, .detaching, .over: break
        }
    }

    mutating func wakeFailed(
        _ reason: Disconnection, isAwake: Bool, _ rules: Rules, _ effects: inout [Effect]
    ) {
        switch state {
        case .waking(let queue), .replaying(let queue), .restored(let queue):
            if !rules.backendAccepts, journal.isEmpty { return refuse(queue, &effects) }
            guard !isOpaque || !hadUpstream else { return end(.stateLost, &effects) }
            guard queue.isEmpty else { return end(reason, &effects) }
            // An awake backend may broadcast what this client would miss.
            guard !isAwake else { return end(reason, &effects) }
            // Nothing waits for the backend: the client hibernates on.
            for index in journal.indices { journal[index].progress = .confirmed }
            effects.append(.abortUpstream)
            hibernate(rules, &effects)
        case .hibernating, .attached, .detaching, .over: break
        }
    }

    /// The backend does not accept a client that the daemon has accepted: what needed it is rejected, and the client
    /// stays.
    mutating func refuse(_ queue: ClientCommandQueue, _ effects: inout [Effect]) {
        effects.append(.abortUpstream)
        state = .hibernating
        isOpaque = false  // Of the refused connection nothing is left.
        for text in queue.commands {
            guard let request = try? ActionCableProtocol.read(text.span), request.command == .subscribe else {
                effects.append(.count(.ignoredCommand))
                continue
            }
            effects.append(.reject(Self.identifier(of: request, in: text)))
        }
    }

    /// Applies the rules of channels to subscriptions that exist.
    mutating func rulesChanged(_ rules: Rules, _ effects: inout [Effect]) {
        guard state != .over else { return }
        // Without an upstream the client would be restored by rules that hold no more.
        guard isAttached || rules.hibernates || journal.isEmpty else { return end(.stateLost, &effects) }
        for index in journal.indices {
            let identifier = journal[index].identifier
            guard let value = try? JSONScanner.value(of: identifier.span) else { continue }
            let properties = rules.channels.properties(of: value.string(in: identifier.span) ?? [])
            let isSame = properties == journal[index].properties
            guard isAttached else {
                guard isSame else { return end(.stateLost, &effects) }
                continue
            }
            let isConfirmed = journal[index].progress == .confirmed
            let listens = rules.hibernates && isConfirmed && properties.streams?.isEmpty == false
            guard !isSame || listens != journal[index].isListened else { continue }
            if journal[index].isListened, let streams = journal[index].properties.streams {
                effects.append(.dropDelivery(identifier: identifier))
                effects.append(.stopListening(streams))
            }
            journal[index].isListened = false
            journal[index].properties = properties
            if isConfirmed { listen(index, rules, &effects) }
        }
    }

    mutating func commandsMayLeave(_ rules: Rules, _ effects: inout [Effect]) {
        guard case .restored(let queue) = state else { return }
        state = .attached(Attachment())
        hadUpstream = true
        if rules.sendsNotice, !journal.isEmpty { effects.append(.notify) }
        for text in queue.commands { send(text, rules, &effects) }
    }
}
