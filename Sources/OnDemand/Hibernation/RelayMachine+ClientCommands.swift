/// Client commands: sent, queued, or the cause of a wake.
extension RelayMachine {
    mutating func command(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        switch state {
        case .over: break
        case .attached: send(text, rules, &effects)
        case .hibernating: wakeIfNeeded(text, rules, &effects)
        case .waking(let queue):
            enqueue(text, queue, rules, &effects) { .waking($0) }
        case .replaying(let queue):
            enqueue(text, queue, rules, &effects) { .replaying($0) }
        case .restored(let queue):
            enqueue(text, queue, rules, &effects) { .restored($0) }
        case .detaching(let queue):
            enqueue(text, queue, rules, &effects) { .detaching($0) }
        }
    }

    /// A command without an upstream: answered here where the backend is not needed.
    mutating func wakeIfNeeded(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        guard let request = try? ActionCableProtocol.read(text.span) else {
            return effects.append(.count(.ignoredCommand))
        }
        let known = journal.index(of: request.identifier, in: text.span)
        switch (request.command, known) {
        case (.subscribe, .some): effects.append(.confirm(Self.identifier(of: request, in: text)))
        case (.unsubscribe, let index?): unsubscribe(index, &effects)
        case (.unsubscribe, nil), (.message, nil): effects.append(.count(.ignoredCommand))
        case (.subscribe, nil):
            guard journal.count < rules.maximumSubscriptions else {
                return effects.append(.reject(Self.identifier(of: request, in: text)))
            }
            wake(text, .subscription, &effects)
        case (.message, .some): wake(text, .command, &effects)
        }
    }

    mutating func wake(_ text: [UInt8], _ trigger: WakeTrigger, _ effects: inout [Effect]) {
        var queue = ClientCommandQueue()
        guard queue.append(text) else { return end(.queueFull, &effects) }
        wake(queue, trigger, &effects)
    }

    /// A command while the upstream is on its way: what needs no backend is answered here, the rest waits.
    mutating func enqueue(
        _ text: [UInt8], _ queue: ClientCommandQueue, _ rules: Rules, _ effects: inout [Effect],
        _ next: (ClientCommandQueue) -> State
    ) {
        guard let request = try? ActionCableProtocol.read(text.span) else {
            return effects.append(.count(.ignoredCommand))
        }
        if request.command == .subscribe {
            switch queue.subscriptionCommand(about: request.identifier, in: text) {
            // Rails' client repeats a subscription until it is confirmed.
            case .subscribe: return effects.append(.count(.ignoredCommand))
            case nil where journal.index(of: request.identifier, in: text.span) != nil:
                return effects.append(.confirm(Self.identifier(of: request, in: text)))
            case nil, .unsubscribe, .message: break
            }
        }
        var queue = queue
        guard queue.append(text) else { return end(.queueFull, &effects) }
        state = next(queue)
    }

    /// A command of an attached client.
    mutating func send(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        guard let request = try? ActionCableProtocol.read(text.span) else {
            // The backend says what it thinks of it, and may keep something of it.
            isOpaque = true
            return effects.append(.send(text))
        }
        let known = journal.index(of: request.identifier, in: text.span)
        switch (request.command, known) {
        case (.subscribe, let index?):
            // Rails' client repeats a subscription until it is confirmed; the backend would not answer.
            guard journal[index].progress != .requested else { return effects.append(.count(.ignoredCommand)) }
            return effects.append(.confirm(Self.identifier(of: request, in: text)))
        case (.subscribe, nil):
            guard journal.count < rules.maximumSubscriptions else {
                return effects.append(.reject(Self.identifier(of: request, in: text)))
            }
            let content = request.identifier.string(in: text.span) ?? []
            journal.append(
                SubscriptionJournal.Subscription(
                    identifier: Self.identifier(of: request, in: text), progress: .requested,
                    properties: rules.channels.properties(of: content)))
        case (.unsubscribe, let index?): unsubscribe(index, &effects)
        case (.message, let index?):
            if !journal[index].hasStatelessActions { journal[index].hasState = true }
        case (.unsubscribe, nil), (.message, nil): break
        }
        if case .attached(var attachment) = state, request.command == .message {
            attachment.hasCommandInFlight = true
            state = .attached(attachment)
        }
        effects.append(.send(text))
    }

    mutating func unsubscribe(_ index: Int, _ effects: inout [Effect]) {
        let ended = journal.remove(at: index)
        guard ended.isListened, let streams = ended.properties.streams else { return }
        effects.append(.dropDelivery(identifier: ended.identifier))
        effects.append(.stopListening(streams))
    }

    mutating func clientSentBinary(_ payload: [UInt8], _ effects: inout [Effect]) {
        switch state {
        case .over: return
        case .hibernating, .waking, .replaying, .restored, .detaching: return effects.append(.count(.ignoredCommand))
        case .attached: break
        }
        isOpaque = true
        effects.append(.sendBinary(payload))
    }

    static func identifier(of request: ActionCableProtocol.Request, in text: [UInt8]) -> [UInt8] {
        Array(text[request.identifier.range.indices])
    }
}
