/// The upstream of one client of a cable: opened when the client needs the backend, closed when the backend sleeps, and
/// opened again without the client's help.
///
/// Pure: the driver brings events and performs effects. The *journal* has the client's subscriptions at the backend.
///
/// States:
/// - *hibernating*: no upstream. The client stays connected, and the cable answers what needs no backend.
/// - *waking*: a command needs the backend, or the backend is awake. A lease is asked for, a connection made, its
///   `welcome` awaited. Commands are queued.
/// - *replaying*: the subscriptions of the journal are sent again. Their confirmations are not for the client, which
///   has had them.
/// - *restored*: all of them are confirmed. The driver lets the commands go: at once, or when other clients of the same
///   backend are restored too, so that they hear what the commands cause.
/// - *attached*: messages pass in both directions.
/// - *detaching*: the backend will be stopped. A close frame was sent to it, so that it ends the client's subscriptions
///   in its own way, and its end is awaited. Commands are queued for the next wake.
/// - *over*: the client is told to reconnect, or is gone.
///
/// A client is *restorable* when a new connection and the journal give it everything that it has. Only restorable
/// clients hibernate. Another one holds a lease, which keeps the backend awake.
///
/// Invariants:
/// - A command is sent at most once. It is queued, sent, or its client is told to reconnect.
/// - Commands leave in the order in which they came.
/// - While the backend's own messages cannot reach a client, the streams of its subscriptions are delivered by the
///   cable; the two times overlap rather than leave a gap.
/// - A client that cannot be served is told so: no state is left in silence.
///
/// Example: a chat's client is attached, and its only subscription is restorable. The backend stops: `closeUpstream`,
/// detaching; the upstream ends: hibernating. The client performs an action: waking, `acquire`. The new upstream's
/// `welcome`: replaying, the subscription is sent. Its confirmation: restored. `commandsMayLeave`: the action is sent,
/// attached.
struct RelayMachine {
    enum State: Equatable {
        case hibernating
        case waking(CommandQueue)
        case replaying(CommandQueue)
        case restored(CommandQueue)
        case attached(Attachment)
        case detaching(CommandQueue)
        case over
    }

    /// What only an attached client has.
    struct Attachment: Equatable {
        /// A command was sent, and no message has come back since: the backend may or may not have performed it.
        var hasCommandInFlight = false
        /// The backend has sent `disconnect`: its end is the client's.
        var isDismissed = false
        /// A lease is held.
        var isCounted = true
        /// The backend's first message, its `welcome`, has come. The client waits for it, and the one of a second
        /// connection would not be for it.
        var isWelcomed = true
    }

    /// Of the cable; the same for all of its clients.
    struct Rules: Equatable {
        /// The backend accepts each new client.
        var backendAccepts = true
        /// The backend may sleep while clients are connected.
        var hibernates = false
        var channels = BackendChannels()
        /// Messages of streams come from Redis, and reach the backend too.
        var hasSource = false
        var maximumSubscriptions = 100
        /// A client that cannot be restored keeps the backend awake; otherwise only data does (`idle_when`).
        var clientsKeepAwake = true
        /// A second `welcome` after a wake, which makes Rails' client fire `connected()` again.
        var sendsNotice = false
    }

    private(set) var state: State
    private(set) var journal = SubscriptionJournal()
    /// The connection has had binary messages, commands that are not Action Cable's, a session identifier or
    /// extensions: a second one would not be like it.
    private(set) var isOpaque = false
    /// The backend has known this client.
    private(set) var hadUpstream: Bool

    /// A client whose upgrade the backend has accepted, or one without an upstream so far.
    init(isAttached: Bool) {
        state = isAttached ? .attached(Attachment(isWelcomed: false)) : .hibernating
        hadUpstream = isAttached
    }

    /// Lets the newest subscription share the memory of an equal one.
    mutating func share(_ copies: inout RecentCopies) { journal.share(&copies) }

    var isAttached: Bool { if case .attached = state { true } else { false } }

    /// An upstream is there, or on its way.
    private var hasUpstream: Bool {
        switch state {
        case .waking, .replaying, .restored, .attached, .detaching: true
        case .hibernating, .over: false
        }
    }

    /// The backend delivers the messages of this subscription.
    func isServed(_ identifier: [UInt8]) -> Bool {
        switch state {
        case .replaying, .restored, .attached:
            journal.subscriptions.first { $0.isNamed(identifier.span) }?.progress == .confirmed
        case .hibernating, .waking, .detaching, .over: false
        }
    }

    var hasQueuedCommand: Bool { queuedCommandCount > 0 }

    /// A command was sent, and no message has come back since.
    var hasCommandInFlight: Bool {
        if case .attached(let attachment) = state { attachment.hasCommandInFlight } else { false }
    }

    /// A new connection and the journal restore everything.
    func isRestorable(_ rules: Rules) -> Bool {
        rules.hibernates && !isOpaque && journal.isRestorable
            && (!rules.hasSource || journal.subscriptions.allSatisfy(\.knowsStreams))
    }

    /// Commands that wait for the backend.
    var queuedCommandCount: Int {
        switch state {
        case .waking(let queue), .replaying(let queue), .restored(let queue), .detaching(let queue): queue.count
        case .hibernating, .attached, .over: 0
        }
    }

    /// The streams of its subscriptions.
    var streams: [[UInt8]] { journal.subscriptions.flatMap { $0.properties.streams ?? [] } }

    /// A client that would miss messages of an awake backend.
    func needsRestoring(_ rules: Rules) -> Bool {
        guard case .hibernating = state else { return false }
        return rules.backendAccepts || !journal.isEmpty
    }

    var isRestoring: Bool {
        switch state {
        case .waking, .replaying: true
        case .hibernating, .restored, .attached, .detaching, .over: false
        }
    }

    mutating func apply(_ event: Event, _ rules: Rules, _ effects: inout [Effect]) {
        switch event {
        case .command(let text): command(text, rules, &effects)
        case .clientSentBinary(let payload): clientSentBinary(payload, &effects)
        case .message(let text): message(text, rules, &effects)
        case .upstreamSentBinary(let payload):
            guard hasUpstream else { break }
            isOpaque = true
            effects.append(.deliverBinary(payload))
        case .upstreamEnded(let hasGap, let isCut): upstreamEnded(hasGap, isCut, rules, &effects)
        case .upstreamRefused(let isFinal): upstreamRefused(isFinal, rules, &effects)
        case .wakeFailed(let isAwake): wakeFailed(.wakeFailed, isAwake: isAwake, rules, &effects)
        case .backendAwake:
            guard needsRestoring(rules) else { break }
            wake(CommandQueue(), .restore, &effects)
        case .backendStops(let canListen): backendStops(canListen, rules, &effects)
        case .commandsMayLeave: commandsMayLeave(rules, &effects)
        case .rulesChanged: rulesChanged(rules, &effects)
        }
        settleLease(rules, &effects)
    }

    /// A client that cannot be restored holds a lease, and no other one does.
    private mutating func settleLease(_ rules: Rules, _ effects: inout [Effect]) {
        guard case .attached(var attachment) = state else { return }
        let isNeeded = rules.clientsKeepAwake && !(attachment.isWelcomed && isRestorable(rules))
        guard attachment.isCounted != isNeeded else { return }
        attachment.isCounted = isNeeded
        state = .attached(attachment)
        effects.append(isNeeded ? .takeLease : .returnLease)
    }

    private mutating func end(_ reason: Disconnection, _ effects: inout [Effect]) {
        if hasUpstream { effects.append(.abortUpstream) }
        state = .over
        effects.append(.disconnect(reason))
    }

    private mutating func wake(_ queue: CommandQueue, _ trigger: WakeTrigger, _ effects: inout [Effect]) {
        state = .waking(queue)
        effects.append(.acquire(trigger))
    }
}

// MARK: - The client's commands

extension RelayMachine {
    private mutating func command(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
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
    private mutating func wakeIfNeeded(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        guard let request = try? ActionCableSession.read(text.span) else {
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

    private mutating func wake(_ text: [UInt8], _ trigger: WakeTrigger, _ effects: inout [Effect]) {
        var queue = CommandQueue()
        guard queue.append(text) else { return end(.queueFull, &effects) }
        wake(queue, trigger, &effects)
    }

    /// A command while the upstream is on its way: what needs no backend is answered here, the rest waits.
    private mutating func enqueue(
        _ text: [UInt8], _ queue: CommandQueue, _ rules: Rules, _ effects: inout [Effect],
        _ next: (CommandQueue) -> State
    ) {
        guard let request = try? ActionCableSession.read(text.span) else {
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
    private mutating func send(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
        guard let request = try? ActionCableSession.read(text.span) else {
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

    private mutating func unsubscribe(_ index: Int, _ effects: inout [Effect]) {
        let ended = journal.remove(at: index)
        guard ended.isListened, let streams = ended.properties.streams else { return }
        effects.append(.dropDelivery(identifier: ended.identifier))
        effects.append(.stopListening(streams))
    }

    private mutating func clientSentBinary(_ payload: [UInt8], _ effects: inout [Effect]) {
        switch state {
        case .over: return
        case .hibernating, .waking, .replaying, .restored, .detaching: return effects.append(.count(.ignoredCommand))
        case .attached: break
        }
        isOpaque = true
        effects.append(.sendBinary(payload))
    }

    private static func identifier(of request: ActionCableSession.Request, in text: [UInt8]) -> [UInt8] {
        Array(text[request.identifier.range.indices])
    }
}

// MARK: - The backend's messages

extension RelayMachine {
    private mutating func message(_ text: [UInt8], _ rules: Rules, _ effects: inout [Effect]) {
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

    private mutating func welcome(
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

    private mutating func replay(_ queue: CommandQueue, _ rules: Rules, _ effects: inout [Effect]) {
        for index in journal.indices {
            journal[index].progress = .replayed
            effects.append(.send(Self.subscribe(journal[index].identifier)))
        }
        state = journal.isEmpty ? .restored(queue) : .replaying(queue)
    }

    private static let before = Array(#"{"command":"subscribe","identifier":"#.utf8)

    private static func subscribe(_ identifier: [UInt8]) -> [UInt8] { before + identifier + [UInt8(ascii: "}")] }

    private mutating func confirmation(
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

    private mutating func listen(_ index: Int, _ rules: Rules, _ effects: inout [Effect]) {
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

    private mutating func rejection(_ identifier: JSONSlice, _ text: [UInt8], _ effects: inout [Effect]) {
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

    private mutating func disconnected(
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
    private mutating func endRemotely(_ text: [UInt8], _ effects: inout [Effect]) {
        effects.append(.deliver(text))
        effects.append(.abortUpstream)
        state = .over
        effects.append(.endClient)
    }
}

// MARK: - The upstream's life

extension RelayMachine {
    private mutating func upstreamEnded(
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
    private mutating func dialAgain(_ queue: CommandQueue, _ rules: Rules, _ effects: inout [Effect]) {
        guard !isOpaque || !hadUpstream else { return end(.stateLost, &effects) }
        if case .waking = state {} else { beginDeliveries(rules, &effects) }
        for index in journal.indices { journal[index].progress = .confirmed }
        state = .waking(queue)
        effects.append(.acquireAgain)
    }

    private mutating func hibernate(_ rules: Rules, _ effects: inout [Effect]) {
        state = .hibernating
        beginDeliveries(rules, &effects)
    }

    private mutating func beginDeliveries(_ rules: Rules, _ effects: inout [Effect]) {
        guard rules.hasSource else { return }
        for subscription in journal.subscriptions {
            guard subscription.hasStreams, let streams = subscription.properties.streams else { continue }
            effects.append(.beginDelivery(identifier: subscription.identifier, streams: streams))
        }
    }

    private mutating func detach(_ rules: Rules, _ effects: inout [Effect]) {
        state = .detaching(CommandQueue())
        beginDeliveries(rules, &effects)
        effects.append(.closeUpstream)
    }

    private mutating func backendStops(_ canListen: Bool, _ rules: Rules, _ effects: inout [Effect]) {
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

    private mutating func upstreamRefused(_ isFinal: Bool, _ rules: Rules, _ effects: inout [Effect]) {
        switch state {
        case .waking(let queue):
            guard isFinal else { return dialAgain(queue, rules, &effects) }
            guard rules.backendAccepts || !journal.isEmpty else { return refuse(queue, &effects) }
            end(.notAccepted, &effects)
        case .hibernating, .replaying, .restored, .attached, .detaching, .over: break
        }
    }

    private mutating func wakeFailed(
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
    private mutating func refuse(_ queue: CommandQueue, _ effects: inout [Effect]) {
        effects.append(.abortUpstream)
        state = .hibernating
        isOpaque = false  // Of the refused connection nothing is left.
        for text in queue.commands {
            guard let request = try? ActionCableSession.read(text.span), request.command == .subscribe else {
                effects.append(.count(.ignoredCommand))
                continue
            }
            effects.append(.reject(Self.identifier(of: request, in: text)))
        }
    }

    /// What was said of a channel is said of its present subscriptions too.
    private mutating func rulesChanged(_ rules: Rules, _ effects: inout [Effect]) {
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

    private mutating func commandsMayLeave(_ rules: Rules, _ effects: inout [Effect]) {
        guard case .restored(let queue) = state else { return }
        state = .attached(Attachment())
        hadUpstream = true
        if rules.sendsNotice, !journal.isEmpty { effects.append(.notify) }
        for text in queue.commands { send(text, rules, &effects) }
    }
}
