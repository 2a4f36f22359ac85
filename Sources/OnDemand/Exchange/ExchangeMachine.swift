/// One client's conversation up to the tunnel: heads read, a backend asked for, requests and answers relayed.
///
/// Pure: bytes and facts come in, `next` says the one thing to do. It never touches a socket, and what it holds is
/// bounded: one unread head or one read's worth of bytes in each direction.
struct ExchangeMachine {
    enum Phase: Equatable {
        /// A proxy is to say first whose connection this is.
        case readingProxyHeader
        /// Now that it is known who comes: may it stay?
        case admitting
        /// Between requests, or a head has begun to arrive.
        case readingHead
        /// The head is complete: may it enter the backend's gate?
        case acquiringBackend(BackendID)
        /// The backend is not up; the client is held and nothing more is read from it.
        case queued(BackendID)
        /// The service is switched off.
        case rejecting(BackendID)
        /// Admitted: a connection to the backend is to be made.
        case connecting(BackendID)
        /// The connection is on its way.
        case awaitingConnection
        /// The request goes up, the answer comes down.
        case relaying
        /// The body of a request for an endpoint is read, within the endpoint's limit.
        case readingBody(Endpoint)
        /// The request is complete and the endpoint's driver is to answer it.
        case serving(Endpoint)
        /// What was ordered is under way; its end is the answer.
        case awaitingCommand
        /// The client watches the status, or what a backend prints; whatever it sends is ignored.
        case streaming
        /// The last bytes of an answer are on their way to the client.
        case finishing(keepAlive: Bool)
        /// An answer that had begun cannot be finished: what there is of it goes out, then the connection breaks.
        case aborting
        /// Our direction is closed; what the client still sends is discarded, so that it can read its answer.
        case lingering
        /// Both sides agreed to speak WebSocket.
        case tunnel
        case over(TerminationReason)
    }

    var phase: Phase
    private(set) var rules: ExchangeRules
    /// From the next request on.
    private var nextRules: ExchangeRules?
    /// Who is at the other end of the connection, or of the proxy's that announced it.
    var peer: SocketAddress
    /// The proxy that announced it was spoken to in TLS.
    var isEncrypted = false
    /// No other connection has it; the names of its requests begin with it.
    let identity: UInt64

    /// Read from the client and not yet used: the start of a head, a body's bytes, a pipelined request.
    var inbound: [UInt8] = []
    var headParser: RequestHeadParser
    /// The request that is being answered.
    var request: RequestInFlight?
    /// The content of a request's body for an endpoint; empty for every other request.
    var endpointBody = ByteQueue()
    /// Read from the backend before the answer's head was complete.
    var responseHead: [UInt8] = []
    var responseParser = ResponseHeadParser()
    /// Set once the final answer's head was forwarded.
    var response: ResponseInFlight?
    var toUpstream = ByteQueue()
    var toClient = ByteQueue()
    /// The backend takes no more of the request; its answer may still come.
    var upstreamRefusesMore = false
    /// What is to become of the connection to the backend, or has.
    var upstreamUse = UpstreamReuse.undecided
    /// The last answer of our own, until the driver has taken it for its log.
    private var localReply: LocalReply?
    /// Asked at every step: to see whether there is one, the whole answer would be copied.
    private(set) var hasLocalReply = false
    /// Frames that came in one piece with the 101.
    var earlyFrames: [UInt8] = []
    /// The 101 named an extension, which gives the reserved bits of frames a meaning (RFC 6455, 5.2).
    var extensionsNegotiated = false
    /// Counts requests, so that each wait has a deadline of its own.
    var requestCount = 0
    /// Bytes that have moved, so that who is slow, yet moves, is not taken for one who stalls.
    var moved = 0
    /// What was under way to a client that sends nothing more when that was last looked at, and how many looks in a row
    /// found the same.
    private var underWay = (moved: 0, bytes: 0, looks: 0)
    /// Bytes that were read and belong to nothing.
    private var discarded = 0

    struct RequestInFlight {
        /// As it came, for what only an answer of our own has to know.
        let head: StoredHead
        let service: BackendID?
        /// Whoever asks, where the peer is a trusted proxy that says so.
        let announcedClient: String?
        let identity: RequestIdentity
        let version: HTTPVersion
        let isHead: Bool
        let upgrade: UpgradeIntent
        /// Whether or not it may have one here.
        let askedForTunnel: Bool
        var wantsKeepAlive: Bool
        var body: BodyReader
        var forwarding: Forwarding
        /// Why the status listener does not answer it.
        let denial: LocalReply?
        /// The handshake of a client of a cable.
        let cable: CableUpgrade?

        /// Method and target as they came, for the log.
        var line: String { head.line }
        /// What this request is called in logs.
        var id: String { head.text(of: identity) }
    }

    /// What only a request for a backend has.
    struct Forwarding {
        /// What the backend will read, until it is on its way; on a kept connection until something comes back.
        var head: [UInt8] = []
        /// The backend was asked to leave its connection open for the client's next request, for this long.
        var keepsUpstream: Duration?
        /// It only asks and changes nothing (RFC 9110, 9.2.1).
        var isSafe = false
        /// The action for a connection that breaks before any response.
        var repetition = Repetition.never
        /// How often it has gone back to the queue because nobody listened.
        var returns: UInt16 = 0
        /// Whether it may wake a backend that sleeps.
        var mayWake = true
        /// The page that asked for a WebSocket and may not.
        var refusedOrigin: String?
    }

    /// When a request that was sent may be sent once more.
    enum Repetition {
        case never
        /// On a connection of its own: it went out on a kept one.
        case onFreshConnection
        /// When the process listens again: it has not answered anything yet.
        case whenListening
    }

    struct ResponseInFlight {
        var body: BodyReader
        let keepAlive: Bool
        /// Where it ends is certain, and the backend has not said that it closes.
        let leavesUpstreamOpen: Bool
    }

    init(rules: ExchangeRules, peer: SocketAddress, identity: UInt64) {
        self.rules = rules
        self.peer = peer
        self.identity = identity
        phase = rules.expectsProxyHeader ? .readingProxyHeader : .readingHead
        headParser = RequestHeadParser(limits: rules.headLimits)
    }

    /// The configuration has changed: a request that was understood keeps what it began with.
    mutating func update(_ rules: ExchangeRules) {
        switch phase {
        case .readingProxyHeader, .readingHead: self.rules = rules
        default: nextRules = rules
        }
    }

    // MARK: What to do next

    enum Step: Equatable {
        /// Answer with `admittedToListener` or `reject`.
        case admit
        case enterGate(BackendID)
        /// Answer with `refused(.disabled)`.
        case reject(BackendID)
        case connect(BackendID)
        /// Answer with `served`, `servedStream`, `respond`, `commandAccepted`, or take the connection over.
        case serve(Endpoint)
        case receive(Peer)
        case send(Peer)
        /// Close the backend's connection and return the lease, where one is held.
        case releaseUpstream
        /// Return the lease only: the connection may serve the client's next request.
        case keepUpstream
        case endSendingToClient
        case openTunnel
        case terminate(TerminationReason)
        /// Nothing, until something happens.
        case rest
    }

    /// The one thing to do now, given what the sockets allow.
    ///
    /// It changes nothing. Whoever may mutate is asked where it is; a machine is too large to be copied for every step.
    mutating func next(client: Readiness, upstream: Readiness) -> Step {
        if case .over(let termination) = phase { return .terminate(termination) }
        if client.contains(.broken) { return .terminate(phase == .lingering ? .done : .clientReset) }
        if client.contains(.peerEnded), isQueued { return .terminate(.clientLeft) }
        // Before anything else: the sooner the lease is back, the sooner the idle clock starts.
        if upstreamUse != .undecided, let step = nextUpstreamStep(client: client, upstream: upstream) { return step }
        switch phase {
        case .over: preconditionFailure("answered above")
        case .tunnel: return .openTunnel
        case .admitting: return .admit
        case .acquiringBackend(let id): return .enterGate(id)
        case .rejecting(let id): return .reject(id)
        case .connecting(let id): return .connect(id)
        case .serving(let endpoint): return .serve(endpoint)
        case .queued, .awaitingCommand, .awaitingConnection: return .rest
        case .readingProxyHeader, .readingHead, .readingBody, .relaying, .streaming, .finishing, .aborting, .lingering:
            break
        }
        if !toClient.isEmpty, client.contains(.writable) { return .send(.client) }
        if !toUpstream.isEmpty, upstream.contains(.writable) { return .send(.upstream) }
        if wantsUpstreamBytes, upstream.contains(.readable) { return .receive(.upstream) }
        if wantsClientBytes, client.contains(.readable) { return .receive(.client) }
        if phase == .finishing(keepAlive: false), toClient.isEmpty { return .endSendingToClient }
        if phase == .aborting, toClient.isEmpty { return .terminate(.upstreamReset) }
        return .rest
    }

    /// Nothing is read from the client, and its end means that it gave up: it has asked and has nothing to show yet.
    @inline(__always)
    private var isQueued: Bool {
        switch phase {
        case .queued, .awaitingCommand: true
        case .awaitingConnection: request?.upgrade == .webSocket
        case .relaying: request?.upgrade == .webSocket && response == nil
        default: false
        }
    }

    /// It has had its answers and has not begun to ask again.
    var isBetweenRequests: Bool {
        phase == .readingHead && requestCount > 0 && inbound.isEmpty && toClient.isEmpty
    }

    @inline(__always)
    private var wantsClientBytes: Bool {
        switch phase {
        case .readingProxyHeader, .readingHead, .readingBody, .streaming, .lingering: true
        case .relaying: requestBodyIsOpen && toUpstream.isEmpty && inbound.isEmpty
        default: false
        }
    }

    @inline(__always)
    private var wantsUpstreamBytes: Bool {
        phase == .relaying && toClient.isEmpty
    }

    @inline(__always)
    private var requestBodyIsOpen: Bool { request?.body.isFinished == false && !upstreamRefusesMore }

    // MARK: Deadlines

    enum Deadline: Equatable {
        case head, keepAlive, idleUpstream, body, connect, response, flush, linger
        /// The client has ended its side behind its request: something has to move, or it is gone.
        case shutdownPhase
    }

    /// What is being waited for with a limit; nil where a limit is somebody else's or none is right. Asked in place, as
    /// `next` is, with what the client's socket allows.
    mutating func deadline(client: Readiness) -> Deadline? {
        switch phase {
        case .readingProxyHeader: .head
        case .readingHead: toClient.isEmpty ? (inbound.isEmpty ? deadlineBetweenRequests : .head) : .flush
        case .readingBody: .body
        case .awaitingConnection: mayHaveLeft(client) ? .shutdownPhase : .connect
        case .relaying: deadlineWhileRelaying(client)
        case .finishing, .aborting: .flush
        case .lingering: .linger
        case .admitting, .acquiringBackend, .rejecting, .queued, .connecting, .serving, .awaitingCommand,
            .streaming, .tunnel, .over:
            nil
        }
    }

    /// Its request is complete and it sends nothing more: it has closed its connection, or only its own direction. The
    /// two look alike until something is sent, which a connection that is closed answers with a reset.
    @inline(__always)
    private func mayHaveLeft(_ client: Readiness) -> Bool {
        client.contains(.peerEnded) && request?.body.isFinished == true
    }

    /// Who is to move next has a limit, except a backend that has begun to answer: it may stream as slowly as it likes.
    /// A client that owes the rest of its body meanwhile may not, unless something moves in either direction.
    @inline(__always)
    private func deadlineWhileRelaying(_ client: Readiness) -> Deadline? {
        guard toClient.isEmpty else { return .flush }
        guard !mayHaveLeft(client) else { return .shutdownPhase }
        let waitsForBody = requestBodyIsOpen && toUpstream.isEmpty
        guard response == nil else { return waitsForBody ? .body : nil }
        return waitsForBody ? .body : .response
    }

    @inline(__always)
    func limit(of deadline: Deadline) -> Duration {
        switch deadline {
        case .head: rules.limits.headerTimeout
        case .keepAlive: Limits.keepAliveTimeout
        case .idleUpstream: idleUpstream?.patience ?? .zero
        case .body: serviceLimits.bodyTimeout
        case .connect: Limits.connectTimeout
        case .response: serviceLimits.responseTimeout
        case .flush: serviceLimits.sendTimeout
        case .linger: Limits.lingerTimeout
        case .shutdownPhase: Limits.departureTimeout
        }
    }

    /// `undelivered`: bytes sent to the client that its system has not acknowledged; only asked for its departure.
    mutating func deadlineFired(_ deadline: Deadline, undelivered: Int = 0) {
        switch deadline {
        case .head: respond(LocalReply(status: 408, body: "The request head took too long."), closing: true)
        case .keepAlive: phase = .over(.idle)
        case .idleUpstream: upstreamUse = .spent
        case .body: failUpstream(LocalReply(status: 408, body: "The request body took too long."))
        case .connect, .response:
            failUpstream(LocalReply(status: 504, body: "\(serviceSentence) did not answer in time."))
        case .flush: phase = .over(.stalled)
        case .linger: phase = .over(.done)
        case .shutdownPhase: departureIsDue(undelivered)
        }
    }

    /// Nothing has moved for as long as a client has that sends nothing more. Where its system has taken all that was
    /// sent, it is gone. Where bytes are under way and are not answered with a reset, it is there and slow, and has the
    /// same time to take some of them as any other client.
    private mutating func departureIsDue(_ undelivered: Int) {
        guard undelivered > 0 else {
            phase = .over(.clientLeft)
            return
        }
        let isSame = underWay.moved == moved && underWay.bytes == undelivered
        underWay = (moved, undelivered, isSame ? underWay.looks + 1 : 1)
        if Limits.departureTimeout * underWay.looks >= serviceLimits.sendTimeout { phase = .over(.stalled) }
    }

    @inline(__always)
    var serviceLimits: ServiceLimits {
        guard let service = request?.service else { return rules.limits.service }
        return rules.services[service.index].limits
    }

    /// As `$remote_addr` shows it and the log.
    var remoteAddress: String { request?.announcedClient ?? peer.host }

    /// The same where it is not that of the connection's peer, but what a proxy says.
    var announcedAddress: String? { request?.announcedClient ?? (rules.expectsProxyHeader ? peer.host : nil) }

    /// For the client's eyes: which service, nothing else.
    var serviceSentence: String {
        guard let service = request?.service else { return "The service" }
        return "The service \"\(rules.services[service.index].name)\""
    }

    // MARK: Admission

    /// Who was announced may stay; what came behind its header is its first request.
    mutating func admittedToListener() {
        phase = .readingHead
        if !inbound.isEmpty { readHead() }
    }

    mutating func queued(_ id: BackendID) { phase = .queued(id) }

    /// Inside the gate: a lease is held from here to `releaseUpstream`.
    mutating func admitted(to id: BackendID) { phase = .connecting(id) }

    mutating func refused(_ refusal: Refusal, retryAfter: Duration?) {
        let sentence = "\(serviceSentence) \(refusal.sentence)."
        let seconds = retryAfter.map { max(1, $0.secondsRoundedUp) }
        respond(LocalReply(status: 503, body: sentence, retryAfterSeconds: seconds))
    }

    // MARK: The client's socket

    mutating func receivedFromClient(_ bytes: ArraySlice<UInt8>) {
        switch phase {
        case .readingProxyHeader:
            inbound += bytes
            readProxyHeader()
        case .readingHead:
            inbound += bytes
            readHead()
        case .relaying:
            moved &+= bytes.count
            inbound += bytes
            forwardBody()
        case .readingBody(let endpoint):
            moved &+= bytes.count
            inbound += bytes
            collectBody(for: endpoint)
        case .streaming, .lingering:
            discarded += bytes.count
            if discarded > Limits.lingerBytes { phase = .over(phase == .lingering ? .done : .clientClosed) }
        default:
            preconditionFailure("bytes were read from the client while \(phase)")
        }
    }

    /// The client will send nothing more.
    mutating func clientEnded() {
        switch phase {
        case .readingHead:
            // What it asked before is still on its way to it.
            phase = toClient.isEmpty ? .over(.clientClosed) : .finishing(keepAlive: false)
        case .relaying where !request!.body.isFinished || (request!.upgrade == .webSocket && response == nil):
            phase = .over(.clientLeft)
        case .acquiringBackend, .queued, .awaitingCommand, .connecting, .awaitingConnection: phase = .over(.clientLeft)
        case .readingBody: phase = .over(.clientLeft)
        case .streaming, .readingProxyHeader, .admitting: phase = .over(.clientClosed)
        case .lingering: phase = .over(.done)
        case .relaying: request!.wantsKeepAlive = false  // It still wants its answer.
        case .finishing: phase = .finishing(keepAlive: false)
        case .aborting, .rejecting, .serving, .tunnel, .over: break
        }
    }

    mutating func clientFailed() {
        if case .over = phase { return }
        phase = .over(phase == .lingering ? .done : .clientReset)
    }

    mutating func sentToClient(_ count: Int) {
        moved &+= count
        toClient.removeFirst(count)
        guard toClient.isEmpty, phase == .finishing(keepAlive: true) else { return }
        beginNextRequest()
    }

    mutating func endedSendingToClient() { phase = .lingering }

    private mutating func beginNextRequest() {
        request = nil
        response = nil
        phase = .readingHead
        rules = nextRules ?? rules
        nextRules = nil
        requestCount += 1
        headParser = RequestHeadParser(limits: rules.headLimits)
        if !inbound.isEmpty { readHead() }
    }

    // MARK: Answers of our own

    /// Answers instead of a backend. The connection stays open unless bytes of the request are still to come, bytes
    /// that were meant for a tunnel have come already, or `closing` says that its framing cannot be trusted.
    mutating func respond(_ response: LocalReply, closing: Bool = false) {
        localReply = response
        hasLocalReply = true
        let keepAlive = staysOpen && !closing
        // Before a head was understood nobody knows what its sender can read.
        let context = request.map { LocalReply.ReplyContext(form: $0.head.responseFormat, requestID: $0.id) }
        let isHead = request?.isHead ?? beginsWithHead
        toClient.append(response.rendered(for: context ?? .init(), keepAlive: keepAlive, headOnly: isHead))
        phase = .finishing(keepAlive: keepAlive)
    }

    /// A client that sent HEAD reads no body, also where the rest of what it sent cannot be understood (RFC 9112, 6.3).
    private var beginsWithHead: Bool {
        inbound.drop { $0 == HTTPByte.carriageReturn || $0 == HTTPByte.lineFeed }.starts(with: "HEAD ".utf8)
    }

    /// Whether the connection goes on behind a response that is made now.
    var staysOpen: Bool { request?.wantsKeepAlive == true && request?.body.isFinished == true && !hasTunnelBytes }

    /// There are too many connections: this one is told so instead of being read from.
    mutating func reject() {
        respond(LocalReply(status: 503, body: "There are too many connections; try again later."), closing: true)
    }

    /// What follows a head that asked for a tunnel was not meant for anybody who reads requests.
    var hasTunnelBytes: Bool { request?.askedForTunnel == true && !inbound.isEmpty }

    /// What the client was told since the last time, if it was told anything by us.
    mutating func takeLocalReply() -> LocalReply? {
        guard hasLocalReply else { return nil }
        hasLocalReply = false
        defer { localReply = nil }
        return localReply
    }

    /// The whole response of the status listener or the control socket.
    mutating func served(_ bytes: [UInt8]) {
        toClient.append(bytes)
        phase = .finishing(keepAlive: staysOpen)
    }

    /// The content of the request's body; it is the driver's from here on.
    mutating func takeEndpointBody() -> [UInt8] { endpointBody.takeAll() }

    /// Bytes that arrived in one piece with an upgrade's head; the connection is the driver's from here on.
    mutating func takeEarlyBytes() -> [UInt8] {
        defer { inbound = [] }
        return inbound
    }

    /// The response follows in a message of another driver.
    mutating func commandAccepted() { phase = .awaitingCommand }

    /// The head of an answer without an end.
    mutating func servedStream(_ bytes: [UInt8]) {
        toClient.append(bytes)
        phase = .streaming
    }

    /// More for one who watches; false when it does not keep up and has to be let go. Who has taken everything so far
    /// gets the next piece however large it is.
    mutating func push(_ bytes: [UInt8]) -> Bool {
        guard toClient.isEmpty || toClient.count + bytes.count <= Limits.readBufferBytes else { return false }
        toClient.append(bytes)
        return true
    }
}
