/// Serves the clients of all cables: performs what each `CableMachine` decides on the sockets of its sessions.
///
/// The proxy accepts a connection, reads the request head and decides about origin, subprotocol and token. Then the
/// socket moves here in a message (`CableRequest.open`), and every later event of it belongs to this driver. Broadcasts
/// arrive as messages too: their reply is posted first, and their delivery begins after the replies were sent.
///
/// One iteration of the event loop: ready sockets are read, at most `Limits.sessionReadsPerTurn` times each and within
/// one `SessionShare` for all, in steps of a few messages; timers send pings and end stalled clients; messages are
/// handled; then `iterationEnded` delivers queued messages for at most `Limits.cableDeliveryTime` and asks for another
/// iteration if some are left.
///
/// Invariants:
/// - A session's socket, its client number and its admission are released together, in `close`.
/// - After every call of a machine its actions are performed before anything else happens to that cable.
final class CableServer<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let replies: Mailbox<CableReply>
    /// The mailbox whose messages make the daemon deliver those of the others.
    let work: Mailbox<BackendRequest>
    let streamReplies: Mailbox<StreamReply>
    /// The daemon ends: no client is left, and nothing is published any more.
    var isClosed = false
    /// Streams whose first subscriber the command runner wants to know.
    var awaitedStreams: [(cable: String, stream: [UInt8])] = []
    /// Cables whose congestion the command runner knows, by name.
    var congestedCables: [String] = []
    /// By the index of their `CableID`; nil where no cable has the number.
    var cables: [Cable?] = []
    var sessions = Slab(empty: Session.empty)
    /// Cables whose machine was called since the last look at its deadline and its undelivered messages.
    var touched: [CableID] = []
    var buffer: [UInt8] = []
    /// Like `buffer`, for what backends send; taken out while it is read from.
    var upstreamBuffer: [UInt8] = []
    /// Bytes of clients that were read and are not handled yet, by the index of the session. Only floods have any.
    var unhandled: [Int: [UInt8]] = [:]
    var share = SessionShare()
    /// Clients that wait for a backend.
    var tickets: [Ticket: Token] = [:]
    var lastTicket: UInt64 = 0
    var lastUpstreamNumber: UInt32 = 0
    var lastFence: UInt64 = 0
    /// Clients that are to reconnect for the same reason are told within this time, so that they do not all come back
    /// at once.
    var closeJitter = Duration.zero
    /// Set once, before the first client. Not weak: a weak reference makes each use of the proxy cost more.
    unowned var backendAccess: (any BackendAccess)?

    var kernel: K { reactor.kernel }
    var writer: SessionWriter<K> { SessionWriter(kernel: kernel) }
    var backends: any BackendAccess {
        guard let backendAccess else { preconditionFailure("a backend before the proxy") }
        return backendAccess
    }

    func requests(_ request: BackendRequest) { work.post(request) }

    /// One cable as it runs. A class: a look at one member of an optional value in an array would copy it whole.
    final class Cable {
        let name: String
        var machine: CableMachine
        /// Answers 201 to publishers, which AnyCable's gem expects; otherwise 200.
        var hasActionCable: Bool
        /// nil: broadcasts are delivered as they are posted.
        var source: RedisConnection<K>?
        /// When the cable's timer fires; nil while it is not armed.
        var armed: Instant?
        var isTouched = false
        var hasUndelivered = false
        /// Clients are disconnected step by step; nil while the cable is served.
        var drain: CableDrain?
        /// Log lines about clients that the cable disconnects itself.
        var aborts = LineBudget()
        /// The service that serves what the cable does not; nil without one.
        var backend: BackendID?
        /// For the machines of the clients that the backend serves too.
        var relayRules = RelayMachine.Rules()
        /// What their journals share.
        var copies = RecentCopies()
        /// Clients are asked to reconnect after this time; nil without a limit.
        var maximumAge: Duration?
        /// Clients with a way to the backend.
        var relayCount = 0
        /// Of them those that are being connected again.
        var restoring = 0
        /// Where their upstreams come from.
        var reserve = UpstreamReserve()
        /// The next session to restore; nil while none is to be.
        var restore: Int?
        /// Deliveries that end behind a fence of the source, in order.
        var fences = Queue<(session: Token, identifier: [UInt8], number: UInt64)>()
        /// Outputs of the source are being taken: those that this causes are taken after them.
        var isTakingOutputs = false
        /// When the source last had a message for a stream.
        var lastDelivered: Instant?
        /// When ages and silences are looked at next.
        var nextLook = Instant(nanoseconds: 0)
        var hibernation = HibernationCounters()
        /// Messages that programs posted since the cable was opened, and requests that were refused: not valid, or more
        /// than the cable delivers.
        var publications: UInt64 = 0
        var refusedPublications: UInt64 = 0
        var overloadedPublications: UInt64 = 0
        /// `source` is not read.
        var isPaused = false

        init(name: String, machine: CableMachine, hasActionCable: Bool) {
            self.name = name
            self.machine = machine
            self.hasActionCable = hasActionCable
        }

        var hasBackend: Bool { backend != nil }

        func serve(behind settings: BackendSettings?) {
            backend = settings?.backend
            relayRules = settings?.rules ?? RelayMachine.Rules()
            maximumAge = settings?.maximumAge
        }
    }

    /// What a cable with a backend needs to know of it.
    struct BackendSettings: Equatable {
        let backend: BackendID
        let rules: RelayMachine.Rules
        let maximumAge: Duration?
    }

    init(
        reactor: Reactor<K>, log: Log, replies: Mailbox<CableReply>, work: Mailbox<BackendRequest>,
        streamReplies: Mailbox<StreamReply> = Mailbox()
    ) {
        self.work = work
        self.streamReplies = streamReplies
        self.reactor = reactor
        self.log = log
        self.replies = replies
    }

    // MARK: Messages

    func handle(_ request: CableRequest) {
        switch request {
        case .open(let transfer): open(transfer)
        case .broadcast(let id, let body, let requester):
            replies.post(.response(broadcast(body, to: id), requester: requester))
        }
    }

    func open(_ transfer: SessionTransfer) {
        let id = transfer.cable
        let place = sessions.claim()
        sessions[place.index] = Session(
            descriptor: transfer.descriptor, generation: place.generation, cable: id, stage: .refused(kibibytes: 0),
            admission: transfer.admission, address: transfer.address)
        do throws(SystemError) {
            try kernel.watch(transfer.descriptor, for: .edges, as: token(place.index))
        } catch {
            log(.systemError, LogField("detail", error.description))
            giveUp(transfer.backend)
            return close(place.index)
        }
        guard cables.indices.contains(id.index), cables[id.index] != nil else {
            giveUp(transfer.backend)
            return close(place.index)
        }
        switch transfer.verdict {
        case .refused(let reason):
            giveUp(transfer.backend)
            refuse(place.index, transfer, reason)
        case .accepted(let identifiers): accept(place.index, transfer, identifiers)
        }
    }

    func accept(_ index: Int, _ transfer: SessionTransfer, _ identifiers: [UInt8]?) {
        let isWelcomed = transfer.backend?.upstream == nil
        let id = transfer.cable
        let place = sessions.peek(at: index) { $0.generation }
        var writer = writer
        let client = cables[id.index]!.machine.open(
            SessionWriter<K>.name(of: index, transfer.descriptor), transfer.upgrade.cableProtocol,
            secret: SIDSecret(high: kernel.random(), low: kernel.random()), identifiers: identifiers,
            response: transfer.response, isWelcomed: isWelcomed, at: kernel.now(), &writer)
        sessions[index].stage = .open(client: client)
        settle(id)
        guard sessions.contains(index: index, generation: place) else { return giveUp(transfer.backend) }
        if let backend = transfer.backend { attach(index, transfer, backend) }
        if !transfer.earlyBytes.isEmpty, sessions.contains(index: index, generation: place) {
            var early = transfer.earlyBytes
            receive(&early, 0..<early.count, for: index, isResumed: true)
        }
        continueDrain(of: id)
    }

    private func refuse(_ index: Int, _ transfer: SessionTransfer, _ reason: ActionCableFrame.DisconnectReason) {
        let bytes = transfer.response + ActionCableFrame.refusal(reason)
        // A new socket takes a few hundred bytes at once.
        _ = kernel.send(bytes.span, to: transfer.descriptor)
        kernel.endSending(on: transfer.descriptor)
        reactor.arm(.session(token(index)), at: kernel.now() + Limits.closeTimeout)
    }

    // MARK: Actions

    /// Performs what a machine has decided, and notes that its deadline may have changed.
    func settle(_ id: CableID) {
        touch(id)
        while cables[id.index]?.machine.hasActions == true {
            for action in cables[id.index]!.machine.takeActions() { perform(action, id) }
        }
        if !awaitedStreams.isEmpty { lookForSubscribers(of: id) }
    }

    /// The end of this iteration looks at the cable.
    func touch(_ id: CableID) {
        guard !cables[id.index]!.isTouched else { return }
        cables[id.index]!.isTouched = true
        touched.append(id)
        work.post(.cableWork)
    }

    func perform(_ action: CableMachine.Action, _ id: CableID) {
        switch action {
        case .end(let connection, let reason):
            guard let index = index(of: connection),
                case .open(let client) = sessions.peek(at: index, for: { $0.stage })
            else { return }
            sessions[index].stage = .closing(client: client, kibibytes: 0)
            endRelay(index)
            reactor.arm(.session(token(index)), at: kernel.now() + Limits.closeTimeout)
            logEnd(of: index, id, reason)
        case .flushed(let connection):
            guard let index = index(of: connection),
                case .closing(let client, let kibibytes) = sessions.peek(at: index, for: { $0.stage })
            else { return }
            sessions[index].stage = .discarding(client: client, kibibytes: kibibytes)
            kernel.endSending(on: sessions.peek(at: index) { $0.descriptor })
            if sessions.peek(at: index, for: { $0.readiness.contains(.peerEnded) }) { close(index) }
        case .abort(let connection, let reason):
            guard let index = index(of: connection) else { return }
            logEnd(of: index, id, reason)
            close(index)
        case .listen(let stream):
            guard let source = cables[id.index]?.source else { return }
            source.listen(stream)
            takeOutputs(of: id, source)
        case .stopListening(let stream):
            guard let source = cables[id.index]?.source else { return }
            source.stopListening(stream)
            takeOutputs(of: id, source)
        case .forward(let connection, let text):
            if let index = index(of: connection) { relay(.command(text), of: index) }
        case .forwardBinary(let connection, let payload):
            if let index = index(of: connection) { relay(.clientSentBinary(payload), of: index) }
        }
    }

    /// nil: an action before has closed the session. No slot is taken again before all actions are performed.
    private func index(of connection: UInt64) -> Int? {
        let index = SessionWriter<K>.index(of: connection)
        return sessions.isTaken(index) ? index : nil
    }

    func sessionTimerFired(_ token: Token) {
        guard sessions.contains(index: token.index, generation: token.generation) else { return }
        let (stage, departure) = sessions.peek(at: token.index) { ($0.stage, $0.departure) }
        if case .open = stage, let departure { return depart(token.index, departure, within: .zero) }
        close(token.index)
    }

    /// Releases everything that a session holds.
    func close(_ index: Int) {
        endRelay(index)
        let token = token(index)
        if !unhandled.isEmpty { unhandled[index] = nil }
        let session = sessions.remove(index: index)
        if session.departure != nil || session.stage != .open(client: session.client ?? 0) {
            reactor.disarm(.session(token))
        }
        kernel.close(session.descriptor)
        if let client = session.client {
            cables[session.cable.index]!.machine.leave(client)
            settle(session.cable)
        }
        replies.post(.sessionEnded(session.cable, session.admission))
        work.post(.cableWork)
        release(session.cable)
    }

    /// Only ends that an operator acts on are lines of the log.
    private func logEnd(of index: Int, _ id: CableID, _ reason: EndReason) {
        let (word, code, detail): (String, CloseCode, String?)
        switch reason {
        case .tooSlow: (word, code, detail) = ("too_slow", .tryAgainLater, nil)
        case .stalled: (word, code, detail) = ("stalled", .tryAgainLater, nil)
        case .violation(let violation):
            word = violation.closeCode == .messageTooBig ? "message_too_big" : "protocol_violation"
            (code, detail) = (violation.closeCode, violation.reason)
        case .clientClosed, .connectionLost, .silent, .serverRestart, .gap, .remote, .byBackend, .backendLost, .tooOld:
            return
        }
        guard let leftOut = cables[id.index]!.aborts.spend(at: kernel.now()) else { return }
        let address = sessions.peek(at: index) { $0.address }
        var fields = [
            LogField("cable", cables[id.index]!.name), LogField("client", address), LogField("reason", word),
            LogField("close_code", code.number),
        ]
        if let detail { fields.append(LogField("detail", detail)) }
        if leftOut > 0 { fields.append(LogField("left_out", leftOut)) }
        log.record(.connectionAborted, fields)
    }

    // MARK: Time

    func cableTimerFired(_ id: CableID) {
        guard cables.indices.contains(id.index), cables[id.index] != nil else { return }
        cables[id.index]!.armed = nil
        var writer = writer
        let now = kernel.now()
        cables[id.index]!.machine.ping(at: now, unixSeconds: Int(kernel.wallClock().seconds), &writer)
        cables[id.index]!.machine.endStalled(at: now, &writer)
        settle(id)
        lookAfterRelays(of: id, at: now)
    }

    /// Delivers messages and arms timers. Returns at once when no machine was called.
    @inline(__always)
    func iterationEnded() {
        if !touched.isEmpty { finishIteration() }
    }

    private func finishIteration() {
        let deadline = kernel.now() + Limits.cableDeliveryTime
        var isLate = false
        for id in touched where cables[id.index]?.restore != nil { continueRestoring(id) }
        for id in touched where cables[id.index]?.hasUndelivered == true {
            while !isLate {
                var writer = writer
                let now = kernel.now()
                let hasMore = cables[id.index]!.machine.deliver(
                    upTo: Limits.cableDeliveriesPerTurn, at: now, &writer)
                settle(id)
                guard hasMore else {
                    cables[id.index]?.hasUndelivered = false
                    break
                }
                isLate = now >= deadline
            }
        }
        for id in touched {
            continueDrain(of: id)
            updateCongestion(of: id)
        }
        var unfinished: [CableID] = []
        for id in touched where cables[id.index] != nil {
            cables[id.index]!.isTouched = false
            armTimer(of: id)
            if cables[id.index]!.hasUndelivered { unfinished.append(id) }
        }
        touched = unfinished
        // Here and not where the last session ends: that may be inside of a read into this buffer.
        if sessions.count == 0 { (buffer, upstreamBuffer, tickets) = ([], [], [:]) }
        for id in unfinished { cables[id.index]!.isTouched = true }
        if !unfinished.isEmpty { reactor.resumeLater(Self.deliveryToken) }
    }

    private func armTimer(of id: CableID) {
        let wanted = cables[id.index]!.machine.deadline
        guard wanted != cables[id.index]!.armed else { return }
        cables[id.index]!.armed = wanted
        if let wanted { reactor.arm(.cable(id), at: wanted) } else { reactor.disarm(.cable(id)) }
    }
}
