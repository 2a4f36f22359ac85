/// One cable: its clients, their subscriptions, and every message on its way.
///
/// Pure but for the sockets, which a `ClientWriter` stands for. The driver brings events (a client opened, bytes, a
/// writable socket, a broadcast, a deadline), and performs the *actions* that have gathered afterwards.
///
/// Life of a client: `open` makes it and sends `admit`. It is *open* until `end`, which ends its subscriptions, sends
/// its last words and makes it *ending*: nothing more is read or delivered, and only unsent bytes remain. The driver
/// closes the socket when `Action.end` or `Action.flushed` says so, or at its own deadline, and calls `leave`, once for
/// each client and whatever happened. Only then the number is used again.
///
/// Invariants:
/// - A client gets each message of its streams once and in order, or it is told and ended. Nothing is dropped.
/// - Every write begins and ends between two frames, or its rest is the first thing that is sent next.
/// - Work is bounded: `deliver` sends to a given number of clients, `ping` to one slot of the schedule.
///
/// Example: the driver accepts a WebSocket, calls `open`, then `receive` with the client's subscription. `broadcast`
/// queues a message. The driver calls `deliver` in steps, looks after other events in between, and goes to sleep until
/// `deadline` when `deliver` returns false.
struct CableMachine {
    struct Rules {
        var resolver: SubscriptionResolver
        var maximumMessageBytes = 64 * 1024
        var maximumSubscriptions = 100
        var maximumQueuedBytes = 1024 * 1024
        var sendTimeout: Duration = .seconds(10)
        /// Messages come from a source that confirms each stream (Redis).
        var hasSource = false
    }

    enum Action: Equatable {
        /// Wait for the client's close frame or end for a bounded time, then close the socket. Last words that the
        /// socket has not taken follow when it is writable.
        case end(connection: UInt64, EndReason)
        /// Close the socket now.
        case abort(connection: UInt64, EndReason)
        /// Everything that an ending client should get has been sent.
        case flushed(connection: UInt64)
        /// The first subscription of a stream, or the end of its last one.
        case listen([UInt8])
        case stopListening([UInt8])
        /// A message for the backend, as the client sent it.
        case forward(connection: UInt64, [UInt8])
        case forwardBinary(connection: UInt64, [UInt8])
    }

    private(set) var rules: Rules
    var table = StreamTable()
    var clients = CableClients()
    var identifiers = Interner()
    var pings: PingSchedule
    /// The schedule of an earlier interval goes on until the present one has pinged each client: no client waits longer
    /// than either interval. nil without such a change.
    var formerPings: (schedule: PingSchedule, until: Instant)?
    /// Deadlines of TurboCable clients; every third round they are pinged.
    var turboPings = PingSchedule(interval: Limits.turboCableLookInterval)
    /// Streams of the backend's clients.
    var listened = ListenedStreams()
    /// While the source is away, streams count as confirmed.
    var isSourceAway = false
    var counters = CableCounters()
    var actions: [Action] = []

    init(rules: Rules, pingInterval: Duration) {
        self.rules = rules
        pings = PingSchedule(interval: pingInterval)
    }

    /// Clients with an open connection, those that are ending included.
    var clientCount: Int { clients.slots.count }

    /// Clients that are not ending. Counted at each call.
    var openClientCount: Int {
        (0..<UInt32(clients.slots.end)).count { clients.slots.contains($0) && !clients.slots[$0].isEnding }
    }

    var hasActions: Bool { !actions.isEmpty }

    /// The actions since the last call, in order.
    mutating func takeActions() -> [Action] {
        guard !actions.isEmpty else { return [] }
        defer { actions = [] }
        return actions
    }

    /// Limits, streams or keys have changed. Present subscriptions stay.
    mutating func update(_ rules: Rules) { self.rules = rules }

    /// The same with another ping interval; nothing happens to pings when it is the present one.
    mutating func update(_ rules: Rules, pingInterval: Duration, at now: Instant) {
        self.rules = rules
        guard pings.interval != pingInterval else { return }
        // Of several changes in a row the first schedule is the one that has pinged every client.
        formerPings = pings.isEmpty ? nil : (formerPings?.schedule ?? pings, now + pingInterval)
        pings = PingSchedule(interval: pingInterval)
        for client in 0..<UInt32(clients.slots.end)
        where clients.slots.contains(client) && !clients.slots[client].isEnding
            && clients.slots[client].cableProtocol == .actionCable
        { pings.join(client, at: now) }
    }

    /// The next time at which `ping` or `endStalled` has something to do; nil without clients.
    var deadline: Instant? {
        // Asked for in each iteration in which something happens: without an array.
        Self.earlier(
            Self.earlier(pings.deadline, formerPings?.schedule.deadline),
            Self.earlier(turboPings.deadline, clients.queues.nextStall(after: rules.sendTimeout)))
    }

    private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }
}

/// Why a client's connection ends.
enum EndReason: Hashable, Sendable {
    case clientClosed(CloseCode)
    case violation(MessageViolation)
    case connectionLost
    case tooSlow
    case stalled
    /// A TurboCable client that has sent nothing for 60 s.
    case silent
    /// Shutdown, or a cable that is removed.
    case serverRestart
    /// Messages were missed while the source was away.
    case gap
    /// By the `disconnect` command.
    case remote(reconnect: Bool)
    /// The backend has ended the connection, after its own `disconnect`.
    case byBackend
    /// The client must reconnect, because the backend cannot be reached as before.
    case backendLost
    /// Connected for `hibernate.max_age`.
    case tooOld
}

/// What a cable has done, for metrics.
struct CableCounters: Equatable, Sendable {
    var deliveries: UInt64 = 0
    var broadcasts: UInt64 = 0
    /// Broadcasts to streams without a subscriber.
    var unheard: UInt64 = 0
    var slowClients: UInt64 = 0
    private(set) var ignored: [UInt64] = IgnoredReason.allCases.map { _ in 0 }
    private(set) var rejected: [UInt64] = RejectionReason.allCases.map { _ in 0 }

    mutating func count(_ reason: IgnoredReason) { ignored[Int(reason.rawValue)] += 1 }
    mutating func count(_ reason: RejectionReason) { rejected[Int(reason.rawValue)] += 1 }
    func count(of reason: IgnoredReason) -> UInt64 { ignored[Int(reason.rawValue)] }
    func count(of reason: RejectionReason) -> UInt64 { rejected[Int(reason.rawValue)] }
}

// MARK: - Clients

extension CableMachine {
    /// A client whose upgrade was accepted. `identifiers` are those of its token. `response` is the HTTP response that
    /// accepts it, and leaves in one write with the first frame. `isWelcomed`: by the daemon, and not by the backend.
    mutating func open(
        _ connection: UInt64, _ cableProtocol: CableProtocol, secret: SIDSecret, identifiers text: [UInt8]? = nil,
        response: [UInt8] = [], isWelcomed: Bool = true, at now: Instant, _ writer: inout some ClientWriter
    ) -> UInt32 {
        let client = clients.slots.insert(
            CableClient(
                connection: connection, secret: secret,
                identifiers: text.map { identifiers.retain($0) } ?? StreamTable.none, heard: Self.seconds(now),
                cableProtocol: cableProtocol))
        switch cableProtocol {
        case .actionCable:
            pings.join(client, at: now)
            formerPings?.schedule.join(client, at: now)
            var first = response
            if isWelcomed { ActionCableFrame.appendWelcome(of: client, secret, to: &first) }
            send(first, headBytes: response.count, to: client, at: now, &writer)
        case .turboCable:
            turboPings.join(client, at: now)
            if !response.isEmpty { send(response, headBytes: response.count, to: client, at: now, &writer) }
        }
        settle(at: now, &writer)
        return client
    }

    /// The connection is closed. The number may be given to another client from now on.
    mutating func leave(_ client: UInt32) {
        endSubscriptions(of: client)
        clients.queues.remove(client)
        if clients.slots[client].identifiers != StreamTable.none {
            identifiers.release(clients.slots[client].identifiers)
        }
        clients.slots.remove(client)
    }

    /// The client that a `sid` belongs to.
    func client(withSID sid: [UInt8]) -> UInt32? {
        guard let (client, secret) = SIDSecret.read(sid), clients.slots.contains(client),
            clients.slots[client].secret == secret
        else { return nil }
        return client
    }

    /// Ends a client: its subscriptions now, its connection when the last words are sent.
    mutating func end(_ client: UInt32, _ reason: EndReason, at now: Instant, _ writer: inout some ClientWriter) {
        guard !clients.slots[client].isEnding else { return }
        endSubscriptions(of: client)
        clients.slots[client].isEnding = true
        let connection = clients.slots[client].connection
        if reason == .tooSlow || reason == .stalled { counters.slowClients += 1 }
        guard let words = closingFrames(for: clients.slots[client].cableProtocol, reason) else {
            clients.queues.remove(client)
            return actions.append(.abort(connection: connection, reason))
        }
        if reason.keepsQueue {
            _ = clients.queues.append(words, to: client, at: now, maximumBytes: .max)
        } else {
            clients.queues.end(client, with: words, at: now)
        }
        actions.append(.end(connection: connection, reason))
        flush(client, at: now, &writer)
    }

    /// Sends what is unsent.
    mutating func writable(_ client: UInt32, at now: Instant, _ writer: inout some ClientWriter) {
        guard !clients.slots[client].isEnding else { return flush(client, at: now, &writer) }
        guard clients.drain(client, at: now, &writer) == .failed else { return }
        end(client, .connectionLost, at: now, &writer)
    }

    private mutating func flush(_ client: UInt32, at now: Instant, _ writer: inout some ClientWriter) {
        let connection = clients.slots[client].connection
        switch clients.drain(client, at: now, &writer) {
        case .empty: actions.append(.flushed(connection: connection))
        case .waiting: break
        case .failed:
            clients.queues.remove(client)
            actions.append(.abort(connection: connection, .connectionLost))
        }
    }

    private mutating func endSubscriptions(of client: UInt32) {
        guard !clients.slots[client].isEnding else { return }
        switch clients.slots[client].cableProtocol {
        case .actionCable:
            pings.leave(client)
            formerPings?.schedule.leave(client)
            if formerPings?.schedule.isEmpty == true { formerPings = nil }
        case .turboCable: turboPings.leave(client)
        }
        for stream in table.leave(client: client) { stopListening(stream) }
    }

    /// What a client is told before its connection ends; nil when it cannot be told anything.
    private func closingFrames(for cableProtocol: CableProtocol, _ reason: EndReason) -> [UInt8]? {
        let isActionCable = cableProtocol == .actionCable
        switch reason {
        case .connectionLost: return nil
        case .clientClosed(let code): return FrameWriter.close(code.isValidOnTheWire ? code : .normal)
        case .violation(let violation): return FrameWriter.close(violation.closeCode, reason: violation.reason)
        case .tooSlow, .stalled:
            return (isActionCable ? ActionCableFrame.disconnect(.tooSlow, reconnect: true) : [])
                + FrameWriter.close(.tryAgainLater)
        case .silent: return FrameWriter.close(.goingAway)
        case .byBackend: return FrameWriter.close(.normal)
        case .serverRestart, .tooOld:
            return (isActionCable ? ActionCableFrame.disconnect(.serverRestart, reconnect: true) : [])
                + FrameWriter.close(.goingAway)
        case .gap, .backendLost:
            return (isActionCable ? ActionCableFrame.disconnect(.serverRestart, reconnect: true) : [])
                + FrameWriter.close(.serviceRestart)
        case .remote(let reconnect):
            return (isActionCable ? ActionCableFrame.disconnect(.remote, reconnect: reconnect) : [])
                + FrameWriter.close(.normal)
        }
    }

    static func seconds(_ now: Instant) -> UInt32 { UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000_000) }

    mutating func send(
        _ frames: [UInt8], headBytes: Int = 0, to client: UInt32, at now: Instant, _ writer: inout some ClientWriter
    ) {
        clients.send(
            frames, headBytes: headBytes, to: client, at: now, maximumBytes: rules.maximumQueuedBytes, &writer)
    }

    /// Ends the clients that sending has found slow or gone.
    mutating func settle(at now: Instant, _ writer: inout some ClientWriter) {
        while let client = clients.failed.popLast() { end(client, .connectionLost, at: now, &writer) }
        while let client = clients.tooSlow.popLast() { end(client, .tooSlow, at: now, &writer) }
    }
}

extension EndReason {
    /// Messages that were accepted before are sent first; otherwise the client is told at once.
    fileprivate var keepsQueue: Bool {
        switch self {
        case .serverRestart, .gap, .remote, .byBackend, .backendLost, .tooOld: true
        case .clientClosed, .violation, .connectionLost, .tooSlow, .stalled, .silent: false
        }
    }
}
