/// One cable as it runs: its machine, where its messages come from, their delivery, and its end.
///
/// - Messages are posted by programs, published by runs, or arrive from Redis. With Redis a message that is posted here
///   is published there and delivered when it comes back.
/// - `deliver` sends queued messages for a bounded time. While too many are undelivered, their sources wait: a post
///   gets 503, Redis is not read, and the owner is told (`isCongested`).
/// - `drain` ends all clients, behind the messages that were accepted before.
///
/// Invariant: the machine is called in `call` only, and its actions are performed before anything else happens to this
/// cable. Actions that are about sockets and relays are the owner's.
final class CableDriver<K: Kernel> {
    /// What the configuration says of a cable.
    struct Definition {
        let name: String
        let rules: CableMachine.Rules
        let pingInterval: Duration
        /// Answers 201 to publishers, which AnyCable's gem expects; otherwise 200.
        let hasActionCable: Bool
        /// Where broadcasts come from. nil: they are delivered as they are posted.
        var redis: (url: RedisURL, prefix: [UInt8]?)?
        /// nil: the cable serves its clients alone.
        var backend: BackendSettings?
    }

    /// What a cable with a backend needs to know of it.
    struct BackendSettings: Equatable {
        let backend: BackendID
        let rules: RelayMachine.Rules
        let maximumAge: Duration?
    }

    let id: CableID
    let name: String
    private let reactor: Reactor<K>
    private let log: Log
    private unowned let owner: any CableOwner
    private(set) var machine: CableMachine
    private var hasActionCable: Bool
    private var source: RedisConnection<K>?
    /// Clients are disconnected step by step; nil while the cable is served.
    private var drain: CableDrain?
    /// When the cable's timer fires; nil while it is not armed.
    private var armed: Instant?
    /// The end of this turn looks at the cable.
    private var isTouched = false
    /// The sources of messages wait.
    private(set) var isCongested = false
    /// Log lines about clients that the cable disconnects itself.
    private var aborts = LineBudget()
    /// Outputs of the source are being taken: those that this causes are taken after them.
    private var isTakingOutputs = false
    /// When the source last had a message for a stream.
    private(set) var lastDelivered: Instant?
    /// Since the cable was opened: messages that programs posted, and requests that were refused, because they were not
    /// valid or more than the cable delivers.
    private var publications: UInt64 = 0
    private var refusedPublications: UInt64 = 0
    private var overloadedPublications: UInt64 = 0

    init(_ id: CableID, _ definition: Definition, reactor: Reactor<K>, log: Log, owner: any CableOwner) {
        self.id = id
        name = definition.name
        self.reactor = reactor
        self.log = log
        self.owner = owner
        machine = CableMachine(rules: definition.rules, pingInterval: definition.pingInterval)
        hasActionCable = definition.hasActionCable
        source = definition.redis.map { redis in
            RedisConnection(id, name: definition.name, url: redis.url, prefix: redis.prefix, reactor: reactor, log: log)
        }
    }

    private var kernel: K { reactor.kernel }

    /// Limits, streams or keys have changed; clients and their subscriptions stay.
    func update(_ definition: Definition) {
        hasActionCable = definition.hasActionCable
        drain = nil
        reactor.disarm(.cableDrain(id))
        call { machine, now, _ in machine.update(definition.rules, pingInterval: definition.pingInterval, at: now) }
    }

    /// The last client has left for good.
    func close() {
        source?.close()
        reactor.disarm(.cable(id))
        reactor.disarm(.cableDrain(id))
    }

    // MARK: The machine

    /// Calls the machine, and performs what it has decided.
    func call<Result>(_ body: (inout CableMachine, Instant, inout CableSessionWriter<K>) -> Result) -> Result {
        var writer = CableSessionWriter(kernel: kernel)
        let result = body(&machine, kernel.now(), &writer)
        settle()
        return result
    }

    private func settle() {
        touch()
        while machine.hasActions { for action in machine.takeActions() { perform(action) } }
        owner.settled(id)
    }

    private func perform(_ action: CableMachine.Action) {
        switch action {
        case .listen(let stream): listen(stream)
        case .stopListening(let stream): stopListening(stream)
        case .end, .abort, .flushed, .forward, .forwardBinary: owner.perform(action, of: id)
        }
    }

    /// The end of this turn looks at the cable.
    func touch() {
        guard !isTouched else { return }
        isTouched = true
        owner.touched(id)
    }

    /// Logs a client that the cable ends; nothing is logged beyond the cable's share of lines.
    func log(_ event: LogEvent, client: String, _ fields: [LogField]) {
        guard let leftOut = aborts.spend(at: kernel.now()) else { return }
        var fields = [LogField("cable", name), LogField("client", client)] + fields
        if leftOut > 0 { fields.append(LogField("left_out", leftOut)) }
        log.record(event, fields)
    }

    // MARK: Broadcasts

    /// Queues the messages of a request and returns the publisher's response.
    func broadcast(_ body: [UInt8]) -> LocalReply {
        guard !machine.table.isCongested else {
            overloadedPublications += 1
            return LocalReply(
                status: 503, body: "The cable \"\(name)\" has too many messages to deliver.",
                retryAfterSeconds: Limits.cableRetry.secondsRoundedUp)
        }
        do throws(BroadcastError) {
            apply(try BroadcastRequest.read(body.span), in: body, publishing: true)
        } catch {
            refusedPublications += 1
            return LocalReply(status: 400, body: "Invalid broadcast: \(error.sentence).")
        }
        return LocalReply(status: hasActionCable ? 201 : 200, body: "Accepted.")
    }

    /// With a source, a message that a program posted is published there and delivered when it comes back.
    private func apply(_ request: BroadcastRequest, in body: [UInt8], publishing: Bool) {
        switch request {
        case .publish(let broadcasts):
            publications += UInt64(broadcasts.count)
            if publishing, let source {
                for broadcast in broadcasts {
                    source.publish(StreamMessage(broadcast, in: body.span).message, to: broadcast.stream)
                }
                takeOutputs(of: source)
                return settle()
            }
            call { machine, _, _ in
                for broadcast in broadcasts {
                    machine.broadcast(
                        StreamMessage(broadcast, in: body.span), to: broadcast.stream,
                        excluding: broadcast.excludedSocket)
                }
            }
        case .disconnect(let identifier, let reconnect):
            call { machine, now, writer in
                machine.disconnect(identifier, reconnect: reconnect, at: now, &writer)
            }
        }
    }

    /// A run's message as a JSON string, on the way that posted ones take.
    func publish(_ text: [UInt8], to stream: [UInt8]) {
        var json: [UInt8] = []
        json.reserveCapacity(text.count + 2)
        JSONText.append(quoted: text.span, to: &json)
        publications += 1
        guard let source else {
            return call { machine, _, _ in machine.broadcast(StreamMessage(message: json, data: json), to: stream) }
        }
        source.publish(json, to: stream)
        takeOutputs(of: source)
        settle()
    }

    // MARK: Redis

    var hasSource: Bool { source != nil }

    func listen(_ stream: [UInt8]) { use { $0.listen(stream) } }
    func stopListening(_ stream: [UInt8]) { use { $0.stopListening(stream) } }
    /// Answered by `CableOwner.fenced`, in order.
    func fence() { use { $0.fence() } }
    func redisReady(_ token: Token, _ readiness: Readiness) { use { $0.ready(token, readiness) } }
    func redisTimerFired(_ timer: RedisTimer) { use { $0.timerFired(timer) } }

    private func use(_ body: (RedisConnection<K>) -> Void) {
        guard let source else { return }
        body(source)
        takeOutputs(of: source)
    }

    private func takeOutputs(of source: RedisConnection<K>) {
        // Performing an output may cause others: a client that is disconnected ends a stream. They come after those
        // that are there already; the end of an outage must not be overtaken by its beginning.
        guard !isTakingOutputs else { return }
        isTakingOutputs = true
        defer { isTakingOutputs = false }
        while true {
            let outputs = source.takeOutputs()
            guard !outputs.isEmpty else { return }
            for output in outputs { take(output) }
        }
    }

    private func take(_ output: RedisConnection<K>.Output) {
        switch output {
        case .deliver(SubscriberMachine.remoteDisconnects, _): owner.remoteDisconnect(id, isGap: false)
        case .gap(SubscriberMachine.remoteDisconnects): owner.remoteDisconnect(id, isGap: true)
        case .fenced: owner.fenced(id, hasFailed: false)
        case .fenceFailed: owner.fenced(id, hasFailed: true)
        case .settled: touch()
        case .deliver(let stream, let text):
            lastDelivered = kernel.now()
            guard let message = StreamMessage(published: text) else {
                refusedPublications += 1
                break
            }
            call { machine, _, _ in machine.broadcast(message, to: stream) }
        case .request(let text): apply(text)
        case .confirmed(let stream): call { $0.sourceConfirmed(stream, at: $1, &$2) }
        case .gap(let stream): call { $0.gap(in: stream, at: $1, &$2) }
        case .away: call { $0.sourceLost(at: $1, &$2) }
        case .returned: call { machine, _, _ in machine.sourceReturned() }
        }
    }

    /// A message of AnyCable's broadcaster: every daemon gets it, so it is delivered here and published nowhere.
    private func apply(_ text: [UInt8]) {
        do throws(BroadcastError) {
            apply(try BroadcastRequest.read(text.span), in: text, publishing: false)
        } catch {
            refusedPublications += 1
        }
    }

    // MARK: The end of a turn

    /// Sends queued messages; returns whether the time is over.
    func deliver(until deadline: Instant) -> Bool {
        while !machine.table.isDelivered {
            let now = kernel.now()
            let hasMore = call { machine, _, writer in
                machine.deliver(upTo: Limits.cableDeliveriesPerTurn, at: now, &writer)
            }
            guard hasMore else { return false }
            if now >= deadline { return true }
        }
        return false
    }

    /// Looks at everything that the calls of this turn may have changed. Returns whether messages are left to deliver.
    func endTurn() -> Bool {
        if machine.table.isCongested != isCongested {
            isCongested.toggle()
            source?.pause(isCongested)
            owner.congestionChanged(of: name)
        }
        let wanted = machine.deadline
        if wanted != armed {
            armed = wanted
            if let wanted { reactor.arm(.cable(id), at: wanted) } else { reactor.disarm(.cable(id)) }
        }
        isTouched = false
        return !machine.table.isDelivered
    }

    /// Pings clients, and ends those that take nothing.
    func timerFired() {
        armed = nil
        call { machine, now, writer in
            machine.ping(at: now, unixSeconds: Int(kernel.wallClock().seconds), &writer)
            machine.endStalled(at: now, &writer)
        }
    }

    // MARK: The end

    /// The cable is out of the configuration; its clients may not have left yet.
    var isRemoved: Bool { drain?.isRemoval == true }
    var isDraining: Bool { drain != nil }
    /// Nothing refers to it any more, and nothing that it has accepted is on its way to Redis.
    var isOver: Bool {
        guard let drain, drain.isRemoval, machine.clientCount == 0 else { return false }
        return isSourceSettled || kernel.now() >= drain.bound
    }

    /// Every message that was accepted is delivered, or has left for another server.
    var isSettled: Bool { machine.table.isDelivered && isSourceSettled }
    var isSourceSettled: Bool { source?.isSettled != false }

    /// Disconnects all clients within `window`, spread evenly, because the cable is removed or disabled, or at a
    /// shutdown. Messages that are accepted are delivered before, if that takes no longer than until `bound`.
    func drain(over window: Duration, waitingUntil bound: Instant, isRemoval: Bool) {
        // A shutdown does not bring a removed cable back.
        drain = CableDrain(
            isRemoval: isRemoval || isRemoved, from: kernel.now(), over: window, waitingUntil: bound)
        continueDrain()
    }

    func continueDrain() {
        guard drain != nil else { return }
        if !isSourceSettled { use { $0.settle() } }
        switch drain?.step(isDelivered: isSettled, clients: machine.openClientCount, at: kernel.now()) {
        case .wait(let until)?: reactor.arm(.cableDrain(id), at: until)
        case .end(let clients, let next)?:
            let remaining = call { $0.endNext(clients, .serverRestart, at: $1, &$2) }
            if remaining > 0 { reactor.arm(.cableDrain(id), at: next) } else { reactor.disarm(.cableDrain(id)) }
        case nil: break
        }
    }

    /// Closes the connections to Redis, which may outlive the clients.
    func closeSource() { source?.close() }

    // MARK: Status

    func describe(in description: inout Snapshot.Cable) {
        let (table, counters) = (machine.table, machine.counters)
        description.clients = machine.clientCount
        description.subscriptions = table.subscriptionCount
        description.streams = table.streamCount
        description.publications = publications
        description.refusedPublications = refusedPublications
        description.overloadedPublications = overloadedPublications
        description.unheard = counters.unheard
        description.deliveries = counters.deliveries
        description.slowClients = counters.slowClients
        description.longestQueue = machine.clients.queues.longest
        description.rejected = RejectionReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.ignored = IgnoredReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.redis = source.map { source in
            .init(state: source.isConnected ? .connected : source.isReachable ? .idle : .unreachable, gaps: source.gaps)
        }
    }
}

/// The owner of cables: what they decide about sockets, relays and other parts of the daemon.
protocol CableOwner: AnyObject {
    /// Every action but those about streams.
    func perform(_ action: CableMachine.Action, of cable: CableID)
    /// All actions of a call are performed.
    func settled(_ cable: CableID)
    /// Call `deliver` and `endTurn` at the end of this turn.
    func touched(_ cable: CableID)
    func fenced(_ cable: CableID, hasFailed: Bool)
    /// Rails disconnects clients through Redis, or may have done so.
    func remoteDisconnect(_ cable: CableID, isGap: Bool)
    /// `isCongested` has changed.
    func congestionChanged(of cable: String)
}
