/// Two connections to a Redis server: one that listens, and one that publishes.
///
/// Pure: its driver brings events, performs actions, and reports what became of them as events.
///
/// A *link* is one of the connections. Its states:
/// - *closed*: not needed. The listening link is needed while a stream is listened to, the publishing link while one is
///   listened to or a message is to be published, and for `Limits.redisLinger` after that.
/// - *connecting*: no answer to the connection attempt yet.
/// - *greeting*: AUTH and SELECT are sent, some replies are missing.
/// - *ready*.
/// - *backoff*: failed; tried again when its timer fires. Delays double from 100 ms to 5 s.
///
/// A *channel* is a stream with the prefix. It is *live* when as many acknowledgements have arrived as SUBSCRIBE and
/// UNSUBSCRIBE commands were sent for it, and it is still wanted.
///
/// A *fence* is a PING behind which the messages of a moment have arrived: `Action.fenced`. It fails with its link.
///
/// To *settle* is to wait until every message that was published here has come back, or cannot: acknowledgements first,
/// then a fence.
///
/// Invariants:
/// - A published message is delivered when it comes back, once. While the publishing link is in backoff it is delivered
///   here, and to nothing else.
/// - A stream whose messages may have been missed is reported: `Action.gap`, after it is live again. That is every
///   stream that was listened to when the listening link failed or while it was away, and every stream whose message
///   was sent and not acknowledged when the publishing link failed.
/// - An outage is reported once, and so is its end. A wrong password is reported once for each outage.
/// - Nothing is decided by the order of a dictionary.
///
/// Example: `listen(scores)` connects both links. AUTH and SELECT are answered, SUBSCRIBE is sent; its acknowledgement
/// becomes `confirmed(scores)`. The server goes away: `away`, and a retry in 100 ms. It is back: `returned`, SUBSCRIBE,
/// and with the acknowledgement `gap(scores)`.
struct SubscriberMachine {
    enum Connection: UInt8, CaseIterable, Sendable { case listening, publishing }

    enum LinkState: Equatable {
        case closed
        case connecting
        case greeting(missing: Int)
        case ready
        case backoff
    }

    enum Timer: Hashable, Sendable {
        /// The end of a backoff.
        case retry(Connection)
        /// The end of a connection attempt, or the time to ask for a sign of life, or to have one.
        case liveness(Connection)
        /// The publishing link is not needed any more.
        case linger
    }

    enum Event: Equatable {
        case listen([UInt8])
        case stopListening([UInt8])
        /// A JSON text for a stream.
        case publish(stream: [UInt8], [UInt8])
        /// Answered by `fenced` or `fenceFailed`, in order.
        case fence
        /// Answered by `settled`, once for all calls before it.
        case settle
        case connected(Connection)
        /// The attempt failed, or the connection ended. Never after `Action.close`.
        case lost(Connection)
        case reply(Connection, RESPValue)
        case fired(Timer)
    }

    enum Action: Equatable {
        case connect(Connection)
        case close(Connection)
        case send(Connection, [UInt8])
        case arm(Timer, at: Instant)
        case disarm(Timer)
        /// A message of a stream: from the server, or one that could not be published.
        case deliver(stream: [UInt8], [UInt8])
        /// A message of AnyCable's broadcaster: the same text as in a broadcast request.
        case request([UInt8])
        /// Messages of this stream arrive from now on.
        case confirmed([UInt8])
        case gap([UInt8])
        /// Every message that the server sent before the fence has been delivered.
        case fenced
        case fenceFailed
        /// What was published before `Event.settle` has been delivered, or is a gap.
        case settled
        /// New streams count as confirmed, and will have a gap, until `returned`.
        case away
        case returned
        case report(Report)
    }

    enum Report: Equatable, Sendable {
        case unreachable
        case reachable
        /// The server's words.
        case authenticationFailed([UInt8])
        case publishRefused([UInt8])
    }

    /// From a cable's configuration.
    struct Settings: Equatable, Sendable {
        var user: [UInt8]?
        var password: [UInt8]?
        var database = 0
        /// In front of each stream's name, joined with a colon; nil without.
        var prefix: [UInt8]?
    }

    struct Channel {
        let stream: [UInt8]
        var isWanted = true
        /// SUBSCRIBE and UNSUBSCRIBE commands without an acknowledgement.
        var missing = 0
        var hasGap = false
    }

    struct Message: Equatable {
        let stream: [UInt8]
        let text: [UInt8]
    }

    enum Liveness { case heard, asked }

    enum Fence {
        /// `Event.fence` asked for it.
        case caller
        /// `local` is behind it.
        case local
        /// Everything that was published here is in front of it.
        case settling
    }

    enum Settling {
        case none
        /// Messages are not acknowledged yet.
        case acknowledgements
        /// A fence is under way.
        case fence
    }

    /// The last report of an outage that has not ended.
    enum Outage {
        case none
        case unreachable
        /// The more useful one: the server refuses the password.
        case authenticationFailed
    }

    let settings: Settings
    var states: [LinkState] = [.closed, .closed]
    var liveness: [Liveness] = [.heard, .heard]
    /// Failures since the link was ready.
    var failures: [Int] = [0, 0]
    var channels = Pool(empty: Channel(stream: []))
    var numbers: [[UInt8]: UInt32] = [:]
    var wanted = 0
    /// Messages that wait for the publishing link, and messages that were sent and not acknowledged.
    var waiting = Queue<Message>()
    var waitingBytes = 0
    var sent = Queue<Message>()
    var sentBytes = 0
    /// Fences without an answer, in order.
    var fences = Queue<Fence>()
    /// Messages that could not be published. They follow those that were published before and are still coming back.
    var local: [Message] = []
    var localBytes = 0
    var settling = Settling.none
    /// A message was sent to the server since the last fence that settles.
    var hasUnreturned = false
    var isLingering = false
    /// Between `Action.away` and `Action.returned`.
    var isAway = false
    var outage = Outage.none
    var actions: [Action] = []

    init(settings: Settings) { self.settings = settings }

    func state(of connection: Connection) -> LinkState { states[Int(connection.rawValue)] }
    /// Streams that are listened to.
    var wantedCount: Int { wanted }
    /// Messages that wait for the publishing link or its acknowledgement.
    var unpublishedCount: Int { waiting.count + sent.count }
    /// Nothing that was published here is on its way.
    var isSettled: Bool { settling == .none && unpublishedCount == 0 && local.isEmpty && !hasUnreturned }
    func isLive(_ stream: [UInt8]) -> Bool {
        guard state(of: .listening) == .ready, let number = numbers[stream] else { return false }
        return channels[number].isWanted && channels[number].missing == 0
    }

    /// `jitter` is between 0 and 1.
    mutating func apply(_ event: Event, at now: Instant, jitter: Double) -> [Action] {
        switch event {
        case .listen(let stream): listen(stream, at: now)
        case .stopListening(let stream): stopListening(stream, at: now)
        case .publish(let stream, let text): publish(Message(stream: stream, text: text), at: now)
        case .fence: fence()
        case .settle: if settling == .none { settling = .acknowledgements }
        case .connected(let connection): connected(connection, at: now)
        case .lost(let connection): lost(connection, at: now, jitter)
        case .reply(let connection, let reply): take(reply, from: connection, at: now, jitter)
        case .fired(let timer): fired(timer, at: now, jitter)
        }
        if settling == .acknowledgements { settle() }
        defer { actions = [] }
        return actions
    }
}

// MARK: - Streams

extension SubscriberMachine {
    private mutating func listen(_ stream: [UInt8], at now: Instant) {
        if let number = numbers[stream] {
            guard !channels[number].isWanted else { return }
            channels[number].isWanted = true
        } else {
            numbers[stream] = channels.insert(Channel(stream: stream))
        }
        wanted += 1
        guard let number = numbers[stream] else { return }
        if isAway {
            channels[number].hasGap = true
            actions.append(.confirmed(stream))
        }
        switch state(of: .listening) {
        case .ready: subscribe([number])
        case .closed: connect(.listening, at: now)
        case .connecting, .greeting, .backoff: break
        }
        need(.publishing, at: now)
    }

    private mutating func stopListening(_ stream: [UInt8], at now: Instant) {
        guard let number = numbers[stream], channels[number].isWanted else { return }
        channels[number].isWanted = false
        wanted -= 1
        if state(of: .listening) == .ready, !isBroadcaster(stream) {
            channels[number].missing += 1
            let command = stream == Self.remoteDisconnects ? Self.unsubscribePattern : Self.unsubscribe
            send(.listening, [command, channel(of: stream)])
        } else {
            forget(number)
        }
        guard wanted == 0 else { return }
        close(.listening)
        for number in channelNumbers { forget(number) }
        lingerIfIdle(at: now)
    }

    mutating func forget(_ number: UInt32) {
        numbers.removeValue(forKey: channels[number].stream)
        numbers.shrinkIfSparse()
        channels.remove(number)
    }

    var channelNumbers: [UInt32] { (0..<UInt32(channels.end)).filter { channels.contains($0) } }

    func channel(of stream: [UInt8]) -> [UInt8] {
        let name = stream == Self.remoteDisconnects ? Self.remotePattern : stream
        return settings.prefix.map { $0 + [UInt8(ascii: ":")] + name } ?? name
    }

    /// A client may name any stream. This one's channel has requests and no messages, and is listened to for as long as
    /// the link is ready, whatever clients do.
    private func isBroadcaster(_ stream: [UInt8]) -> Bool { channel(of: stream) == Self.broadcaster }

    func stream(of channel: [UInt8]) -> [UInt8]? {
        guard let prefix = settings.prefix else { return channel }
        guard channel.starts(with: prefix + [UInt8(ascii: ":")]) else { return nil }
        return Array(channel[(prefix.count + 1)...])
    }

    func stream(ofPattern pattern: [UInt8]) -> [UInt8]? {
        pattern == channel(of: Self.remoteDisconnects) ? Self.remoteDisconnects : nil
    }

    mutating func subscribe(_ numbers: [UInt32]) {
        for number in numbers { channels[number].missing += 1 }
        let names = numbers.map { channels[$0].stream }.filter { $0 != Self.remoteDisconnects }
        for begin in stride(from: 0, to: names.count, by: Limits.redisChannelsPerCommand) {
            let some = names[begin..<min(begin + Limits.redisChannelsPerCommand, names.count)]
            send(.listening, [Self.subscribe] + some.map { channel(of: $0) })
        }
        guard names.count < numbers.count else { return }
        send(.listening, [Self.subscribePattern, channel(of: Self.remoteDisconnects)])
    }

    /// An acknowledgement for a channel, or for the pattern.
    mutating func acknowledged(_ name: [UInt8], isPattern: Bool) {
        guard let stream = isPattern ? stream(ofPattern: name) : stream(of: name), let number = numbers[stream],
            channels[number].missing > 0
        else { return }
        channels[number].missing -= 1
        guard channels[number].missing == 0 else { return }
        guard channels[number].isWanted else { return forget(number) }
        actions.append(.confirmed(stream))
        guard channels[number].hasGap else { return }
        channels[number].hasGap = false
        actions.append(.gap(stream))
    }
}

// MARK: - Publishing

extension SubscriberMachine {
    private mutating func publish(_ message: Message, at now: Instant) {
        stopLingering()
        switch state(of: .publishing) {
        case .ready where local.isEmpty && waiting.isEmpty && sentBytes < Limits.redisWaitingBytes: send(message)
        case .backoff: deliverLocally(message)
        case .ready, .closed, .connecting, .greeting:
            waiting.append(message)
            waitingBytes += message.text.count
            need(.publishing, at: now)
            if waitingBytes > Limits.redisWaitingBytes { deliverWaiting() }
        }
    }

    /// Publishes what has waited for the link, for the messages before it, or for acknowledgements: what a server that
    /// does not answer has not taken is bounded.
    mutating func publishWaiting() {
        guard state(of: .publishing) == .ready, local.isEmpty else { return }
        while sentBytes < Limits.redisWaitingBytes, let message = waiting.popFirst() {
            waitingBytes -= message.text.count
            send(message)
        }
    }

    mutating func send(_ message: Message) {
        sent.append(message)
        sentBytes += message.text.count
        hasUnreturned = true
        send(.publishing, [Self.publish, channel(of: message.stream), message.text])
    }

    mutating func deliverWaiting() {
        waitingBytes = 0
        for message in waiting.takeAll() { deliverLocally(message) }
    }

    mutating func published(_ reply: RESPValue, at now: Instant) {
        guard let message = sent.popFirst() else { return }
        sentBytes -= message.text.count
        if case .error(let words) = reply {
            deliverLocally(message)
            actions.append(.report(.publishRefused(words)))
        }
        publishWaiting()
        lingerIfIdle(at: now)
    }

    /// The publishing link is closed a while after it was needed last.
    mutating func lingerIfIdle(at now: Instant) {
        guard wanted == 0, waiting.isEmpty, sent.isEmpty, local.isEmpty, !isLingering else { return }
        guard state(of: .publishing) == .ready else { return close(.publishing) }
        isLingering = true
        actions.append(.arm(.linger, at: now + Limits.redisLinger))
    }

    mutating func stopLingering() {
        guard isLingering else { return }
        isLingering = false
        actions.append(.disarm(.linger))
    }
}
