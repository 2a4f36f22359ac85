/// Serves the clients of all cables: dispatches events to their parts, and has the lives of cable sessions.
///
/// The proxy accepts a connection, reads the request head and decides about origin, subprotocol and token. Then the
/// socket moves here in a message (`CableRequest.open`), and every later event of it belongs to this driver. Broadcasts
/// arrive as messages too: their reply is posted first, and their delivery begins after the replies were sent.
///
/// The parts: `CableSessionTable` has the sockets of clients, `CableDriver` the machine, messages and end of one cable,
/// `CableRelays` its clients' ways to a backend, `UpstreamConnections` the sockets of backends, `CableSessionLeases`
/// what is asked of backends.
///
/// One turn of the event loop: ready sockets are read; timers send pings and end stalled clients; messages are handled;
/// then `iterationEnded` delivers queued messages for at most `Limits.cableDeliveryTime`, and asks for another turn if
/// some are left.
///
/// Invariant: a session's socket, its client number and its admission are released together, in `close`.
final class CableServer<K: Kernel> {
    private let reactor: Reactor<K>
    private let log: Log
    private let replies: Mailbox<CableReply>
    /// The mailbox whose messages make the daemon deliver those of the others.
    private let work: Mailbox<BackendRequest>
    let sessions: CableSessionTable<K>
    private let upstreams: UpstreamConnections<K>
    private let leases: CableSessionLeases
    private(set) var cables: CableTable<K>!
    private let streams: AwaitedStreams
    /// Cables that this turn has touched.
    private var touched: [CableID] = []
    /// The daemon ends: no client is left, and nothing is published any more.
    private var isClosed = false

    init(
        reactor: Reactor<K>, log: Log, replies: Mailbox<CableReply>, work: Mailbox<BackendRequest>,
        streamReplies: Mailbox<StreamReply> = Mailbox()
    ) {
        self.reactor = reactor
        self.log = log
        self.replies = replies
        self.work = work
        streams = AwaitedStreams(replies: streamReplies, work: work)
        sessions = CableSessionTable(reactor: reactor)
        upstreams = UpstreamConnections(reactor: reactor, log: log, sessions: sessions)
        leases = CableSessionLeases(requests: work, replies: replies)
        cables = CableTable(
            reactor: reactor, log: log, sessions: sessions, upstreams: upstreams, leases: leases, owner: self)
    }

    private var kernel: K { reactor.kernel }

    /// Called once, before the first client.
    func use(_ backends: any BackendAccess) { leases.use(backends) }

    /// Sessions that wait for a backend.
    var ticketCount: Int { leases.ticketCount }
    var awaitsSubscriber: Bool { !streams.isEmpty }

    /// No session is left that a shutdown waits for: those that only discard have got everything. Nothing is on its way
    /// to Redis.
    var isDrained: Bool { cables.areSourcesSettled && sessions.haveAllEnded }

    func closeEverything() {
        for index in sessions.indices { close(index) }
        cables.closeSources()
        isClosed = true
    }

    // MARK: Messages

    func handle(_ request: CableRequest) {
        switch request {
        case .open(let transfer): open(transfer)
        case .broadcast(let id, let body, let requester):
            replies.post(.response(broadcast(body, to: id), requester: requester))
        }
    }

    func broadcast(_ body: [UInt8], to id: CableID) -> LocalReply {
        guard !isClosed else { return LocalReply(status: 503, body: "ondemandd is shutting down.") }
        return cables[id]?.cable.broadcast(body)
            ?? LocalReply(status: 404, body: "The cable is not configured any more.")
    }

    func handle(_ request: StreamRequest) {
        switch request {
        case .publish(let cable, let stream, let text):
            if !isClosed { cables.target(named: cable)?.publish(text, to: stream) }
        case .awaitSubscriber(let cable, let stream):
            streams.add(stream, of: cable)
            if let id = cables.id(named: cable) { settled(id) }
        case .forget(let cable, let stream): streams.forget(stream, of: cable)
        }
    }

    /// Signs the names of streams for clients of this cable.
    func verifier(of id: CableID) -> StreamNameVerifier? { cables[id]?.cable.machine.rules.resolver.verifier }

    func handle(_ reply: BackendReply) {
        switch reply {
        case .admitted(let id, let ticket, let generation):
            guard ticket.isOfCableSession else { return }
            if !redeem(ticket, generation) { leases.ended(id, generation) }
        case .refused(let ticket, let refusal, let retryAfter):
            guard ticket.isOfCableSession else { return }
            _ = redeem(ticket, nil, retryAfter: refusal.needsOperator ? nil : retryAfter)
        case .closeTunnels(let id, let generation, _, let window):
            for entry in cables.all { entry.relays.stopRelaying(behind: id, generation, within: window) }
        case .generationEnded(let id, let generation):
            for entry in cables.all { entry.relays.generationEnded(id, generation) }
        case .stateChanged(let id): for entry in cables.all { entry.relays.stateChanged(of: id) }
        case .operationEnded, .printed: break
        }
    }

    private func redeem(_ ticket: Ticket, _ generation: Generation?, retryAfter: Duration? = nil) -> Bool {
        guard let token = leases.redeem(ticket), sessions.contains(token) else { return false }
        return relays(of: token.index)?.redeem(ticket, of: token.index, generation, retryAfter: retryAfter) ?? false
    }

    // MARK: The life of a session

    private func cable(of index: Int) -> CableDriver<K>? { cables[sessions.peek(at: index) { $0.cable }]?.cable }
    private func relays(of index: Int) -> CableRelays<K>? { cables[sessions.peek(at: index) { $0.cable }]?.relays }

    private func open(_ transfer: CableSessionTransfer) {
        let index: Int
        do throws(SystemError) {
            index = try sessions.open(
                CableSession(
                    descriptor: transfer.descriptor, cable: transfer.cable, stage: .refused(kibibytes: 0),
                    admission: transfer.admission, address: transfer.address))
        } catch {
            log(.systemError, LogField("detail", error.description))
            giveUp(transfer.backend)
            return ended(transfer.cable, transfer.admission)
        }
        guard let entry = cables[transfer.cable] else {
            giveUp(transfer.backend)
            return close(index)
        }
        switch transfer.verdict {
        case .refused(let reason):
            giveUp(transfer.backend)
            refuse(index, transfer, reason)
        case .accepted(let identifiers): accept(index, transfer, identifiers, entry)
        }
    }

    private func accept(
        _ index: Int, _ transfer: CableSessionTransfer, _ identifiers: [UInt8]?, _ entry: CableTable<K>.Entry
    ) {
        let isWelcomed = transfer.backend?.upstream == nil
        let generation = sessions.peek(at: index) { $0.generation }
        let secret = SIDSecret(high: kernel.random(), low: kernel.random())
        entry.cable.call { machine, now, writer in
            let client = machine.open(
                CableSessionWriter<K>.name(of: index, transfer.descriptor), transfer.upgrade.cableProtocol,
                secret: secret, identifiers: identifiers, response: transfer.response, isWelcomed: isWelcomed,
                at: now, &writer)
            sessions.move(index, to: .open(client: client))
        }
        guard sessions.contains(index: index, generation: generation) else { return giveUp(transfer.backend) }
        if let backend = transfer.backend { entry.relays.attach(index, backend) }
        if !transfer.earlyBytes.isEmpty, sessions.contains(index: index, generation: generation) {
            sessions.receive(early: transfer.earlyBytes, for: index, self)
        }
        cables.continueDrain(of: transfer.cable)
    }

    private func refuse(_ index: Int, _ transfer: CableSessionTransfer, _ reason: ActionCableFrame.DisconnectReason) {
        let bytes = transfer.response + ActionCableFrame.refusal(reason)
        // A new socket takes a few hundred bytes at once.
        _ = kernel.send(bytes.span, to: transfer.descriptor)
        kernel.endSending(on: transfer.descriptor)
        sessions.armTimer(of: index, after: Limits.closeTimeout)
    }

    /// The client has left before it could be attached: its connection to the backend ends, and the lease is returned.
    private func giveUp(_ backend: BackendTransfer?) {
        guard let backend, let upstream = backend.upstream else { return }
        kernel.close(upstream.descriptor)
        leases.ended(backend.id, upstream.generation)
    }

    /// Releases everything that a session holds.
    private func close(_ index: Int) {
        relays(of: index)?.end(index)
        let session = sessions.remove(index)
        if let client = session.client {
            cables[session.cable]?.cable.call { machine, _, _ in machine.leave(client) }
        }
        ended(session.cable, session.admission)
        cables.release(session.cable)
    }

    private func ended(_ cable: CableID, _ admission: Admission) {
        replies.post(.sessionEnded(cable, admission))
        work.post(.cableWork)
    }

    private func logEnd(of index: Int, _ reason: EndReason) {
        guard let line = reason.logLine else { return }
        let fields = [LogField("reason", line.word), LogField("close_code", line.code.number)]
        let detail = line.detail.map { [LogField("detail", $0)] } ?? []
        cable(of: index)?.log(
            .connectionAborted, client: sessions.peek(at: index) { $0.address }, fields + detail)
    }

    // MARK: Sockets and timers

    func ready(_ token: Token, _ readiness: Readiness) {
        switch CableServerToken(token) {
        case .session: clientReady(token, readiness)
        case .relay: if sessions.isTaken(token.index) { relays(of: token.index)?.upstreamReady(token, readiness) }
        case .delivery: work.post(.cableWork)
        }
    }

    private func clientReady(_ token: Token, _ readiness: Readiness) {
        let index = token.index
        guard sessions.contains(token) else { return }
        sessions.note(readiness, of: index)
        if readiness.contains(.broken) { return close(index) }
        if readiness.contains(.writable), let client = sessions.peek(at: index, for: { $0.client }),
            let cable = cable(of: index), !cable.machine.clients.queues.isEmpty(client)
        {
            cable.call { $0.writable(client, at: $1, &$2) }
            if sessions.isTaken(index) { relays(of: index)?.clientTakesMore(index) }
        }
        guard sessions.contains(token), sessions.hasUnread(index) else { return }
        sessions.read(index, isResumed: readiness.isEmpty, for: self)
    }

    func redisReady(_ token: Token, _ readiness: Readiness) {
        cables[CableID(index: token.index >> 1)]?.cable.redisReady(token, readiness)
    }

    func redisTimerFired(_ key: TimerKey) {
        cables[CableID(index: key.index)]?.cable.redisTimerFired(RedisTimer(key))
    }

    func timerFired(_ key: TimerKey) {
        let token = Token(CableServerToken.session, index: key.index, generation: key.generation)
        switch CableServerTimer(key) {
        case .session: if sessions.contains(token) { sessionTimerFired(token.index) }
        case .relay: if sessions.contains(token) { relays(of: token.index)?.timerFired(of: token.index) }
        case .cable:
            guard let entry = cables[CableID(index: key.index)] else { break }
            entry.cable.timerFired()
            entry.relays.lookAfterAll(at: kernel.now())
        case .cableDrain: cables.continueDrain(of: CableID(index: key.index))
        }
    }

    private func sessionTimerFired(_ index: Int) {
        let (stage, departure) = sessions.peek(at: index) { ($0.stage, $0.departure) }
        if case .open = stage, let departure {
            relays(of: index)?.depart(index, departure, within: .zero)
        } else {
            close(index)
        }
    }

    // MARK: The end of a turn

    /// Delivers messages and arms timers. Returns at once when no machine was called.
    @inline(__always)
    func iterationEnded() {
        if !touched.isEmpty { finishIteration() }
    }

    private func finishIteration() {
        let deadline = kernel.now() + Limits.cableDeliveryTime
        var isLate = false
        for id in touched where !isLate { isLate = cables[id]?.cable.deliver(until: deadline) ?? false }
        for id in touched { cables.continueDrain(of: id) }
        // Last, because a delivery and a drain may end a client that others wait for.
        for id in touched { cables[id]?.relays.continueRestoring() }
        let unfinished = touched.filter { cables[$0]?.cable.endTurn() ?? false }
        touched = []
        // Here and not where the last session ends: that may be inside of a read into a buffer.
        if sessions.count == 0 {
            sessions.trim()
            upstreams.trim()
            leases.trim()
        }
        for id in unfinished { cables[id]?.cable.touch() }
        if !unfinished.isEmpty { reactor.resumeLater(.cableDelivery) }
    }
}

// MARK: - For its parts

extension CableServer: CableSessionHandler, CableOwner {
    func receive(_ bytes: inout [UInt8], _ unread: inout Range<Int>, from client: UInt32, of index: Int) {
        guard let cable = cable(of: index) else { return }
        let seconds = Int(kernel.wallClock().seconds)
        cable.call { $0.receive(&bytes, &unread, from: client, at: $1, unixSeconds: seconds, &$2) }
    }

    func socketEnded(_ index: Int) { close(index) }

    func perform(_ action: CableMachine.Action, of id: CableID) {
        switch action {
        case .end(let connection, let reason):
            guard let index = index(of: connection),
                case .open(let client) = sessions.peek(at: index, for: { $0.stage })
            else { return }
            sessions.move(index, to: .closing(client: client, kibibytes: 0))
            cables[id]?.relays.end(index)
            sessions.armTimer(of: index, after: Limits.closeTimeout)
            logEnd(of: index, reason)
        case .flushed(let connection):
            guard let index = index(of: connection),
                case .closing(let client, let kibibytes) = sessions.peek(at: index, for: { $0.stage })
            else { return }
            sessions.move(index, to: .discarding(client: client, kibibytes: kibibytes))
            kernel.endSending(on: sessions.peek(at: index) { $0.descriptor })
            if sessions.peek(at: index, for: { $0.readiness.contains(.peerEnded) }) { close(index) }
        case .abort(let connection, let reason):
            guard let index = index(of: connection) else { return }
            logEnd(of: index, reason)
            close(index)
        case .forward(let connection, let text):
            if let index = index(of: connection) { cables[id]?.relays.relay(.clientCommand(text), of: index) }
        case .forwardBinary(let connection, let payload):
            if let index = index(of: connection) { cables[id]?.relays.relay(.clientSentBinary(payload), of: index) }
        case .listen, .stopListening: preconditionFailure("a stream is the cable's own")
        }
    }

    /// nil: an action before has closed the session. No slot is taken again before all actions are performed.
    private func index(of connection: UInt64) -> Int? {
        let index = CableSessionWriter<K>.index(of: connection)
        return sessions.isTaken(index) ? index : nil
    }

    /// Reports the awaited streams whose messages reach a client by now: with a source it has confirmed them.
    func settled(_ id: CableID) {
        guard !streams.isEmpty, let cable = cables[id]?.cable else { return }
        streams.report(of: cable.name) { cable.machine.table.isLive(stream: $0) }
    }

    func touched(_ id: CableID) {
        touched.append(id)
        work.post(.cableWork)
    }

    func congestionChanged(of name: String) {
        let isNew = streams.note(name, isCongested: cables.target(named: name)?.isCongested == true)
        // The messages of this turn may have been delivered already.
        if isNew { reactor.resumeLater(.cableDelivery) }
    }

    func fenced(_ id: CableID, hasFailed: Bool) { cables[id]?.relays.fenced(hasFailed: hasFailed) }
    func remoteDisconnect(_ id: CableID, isGap: Bool) { cables[id]?.relays.remoteDisconnect(isGap: isGap) }
}
