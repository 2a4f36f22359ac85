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
        case waking(ClientCommandQueue)
        case replaying(ClientCommandQueue)
        case restored(ClientCommandQueue)
        case attached(Attachment)
        case detaching(ClientCommandQueue)
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

    var state: State
    var journal = SubscriptionJournal()
    /// The connection has had binary messages, commands that are not Action Cable's, a session identifier or
    /// extensions: a second one would not be like it.
    var isOpaque = false
    /// The backend has known this client.
    var hadUpstream: Bool

    /// A client whose upgrade the backend has accepted, or one without an upstream so far.
    init(isAttached: Bool) {
        state = isAttached ? .attached(Attachment(isWelcomed: false)) : .hibernating
        hadUpstream = isAttached
    }

    /// Lets the newest subscription share the memory of an equal one.
    mutating func share(_ copies: inout RecentCopies) { journal.share(&copies) }

    var isAttached: Bool { if case .attached = state { true } else { false } }

    /// An upstream is there, or on its way.
    var hasUpstream: Bool {
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
        case .clientCommand(let text): command(text, rules, &effects)
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
            wake(ClientCommandQueue(), .restore, &effects)
        case .backendStops(let canListen): backendStops(canListen, rules, &effects)
        case .commandsMayLeave: commandsMayLeave(rules, &effects)
        case .rulesChanged: rulesChanged(rules, &effects)
        }
        settleLease(rules, &effects)
    }

    /// A client that cannot be restored holds a lease, and no other one does.
    mutating func settleLease(_ rules: Rules, _ effects: inout [Effect]) {
        guard case .attached(var attachment) = state else { return }
        let isNeeded = rules.clientsKeepAwake && !(attachment.isWelcomed && isRestorable(rules))
        guard attachment.isCounted != isNeeded else { return }
        attachment.isCounted = isNeeded
        state = .attached(attachment)
        effects.append(isNeeded ? .takeLease : .returnLease)
    }

    mutating func end(_ reason: Disconnection, _ effects: inout [Effect]) {
        if hasUpstream { effects.append(.abortUpstream) }
        state = .over
        effects.append(.disconnect(reason))
    }

    mutating func wake(_ queue: ClientCommandQueue, _ trigger: WakeTrigger, _ effects: inout [Effect]) {
        state = .waking(queue)
        effects.append(.acquire(trigger))
    }
}
