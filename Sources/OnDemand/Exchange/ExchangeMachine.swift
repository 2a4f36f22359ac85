/// The HTTP exchange of one client up to the tunnel, as a pure state machine.
///
/// Events (bytes, socket readiness, gate decisions, deadlines) come in through its functions. `next` returns the one
/// step that the driver performs next. A request passes `readingHead`, `acquiringBackend`, `queued` (while the backend
/// starts), `connecting`, `awaitingConnection`, `relaying` and `finishing`. It then begins again, becomes a `tunnel`,
/// or ends in `over`. Local replies go from any phase straight to `finishing`.
///
/// Invariants: the machine touches no socket. It holds at most one unread head, or one read of bytes, in each
/// direction.
/// While a lease is held the driver returns it exactly once, at `releaseUpstream` or `keepUpstream`.
struct ExchangeMachine {
    enum Phase: Equatable {
        /// A PROXY header has to name the client first.
        case readingProxyHeader
        /// The client is known: the driver checks the connection limits.
        case admitting
        /// Between requests, or a head is incomplete.
        case readingHead
        /// The head is complete: the driver asks the backend's gate.
        case acquiringBackend(BackendID)
        /// The backend is not up; nothing more is read from the client.
        case queued(BackendID)
        /// The service is disabled.
        case rejecting(BackendID)
        /// Admitted: the driver connects to the backend.
        case connecting(BackendID)
        /// The connection is being established.
        case awaitingConnection
        /// The request goes to the backend, the response to the client.
        case relaying
        /// The body of a request for a local endpoint is read, within the endpoint's limit.
        case readingBody(Endpoint)
        /// The request is complete: the endpoint's driver responds.
        case serving(Endpoint)
        /// The command or endpoint is working; its end is the response.
        case awaitingCommand
        /// The client follows the status or a backend's output; its input is ignored.
        case streaming
        /// The last bytes of a response are being sent to the client.
        case finishing(keepAlive: Bool)
        /// A response cannot be completed: its sent part is flushed, then the connection is reset.
        case aborting
        /// Our direction is closed; input is discarded so that the client can read its response (lingering close).
        case lingering
        /// Both sides have agreed on WebSocket.
        case tunnel
        case over(TerminationReason)
    }

    var phase: Phase
    private(set) var rules: ExchangeRules
    /// Rules of a newer configuration, used from the next request on; nil without one.
    private var nextRules: ExchangeRules?
    /// Address of the client, from the socket or from the PROXY header.
    var peer: SocketAddress
    /// Whether the PROXY header says that the client used TLS.
    var isEncrypted = false
    /// Unique among connections; generated request IDs begin with it.
    let identity: UInt64

    /// Bytes read from the client and not yet parsed: a partial head, body bytes, pipelined requests.
    var inbound: [UInt8] = []
    var headParser: RequestHeadParser
    /// The current request; nil between requests.
    var request: RequestInFlight?
    /// Body of a request for a local endpoint; empty for other requests.
    var endpointBody = ByteQueue()
    /// Bytes read from the backend before its response head was complete.
    var responseHead: [UInt8] = []
    var responseParser = ResponseHeadParser()
    /// Set once the final response head was forwarded.
    var response: ResponseInFlight?
    var toUpstream = ByteQueue()
    var toClient = ByteQueue()
    /// Whether the backend reads no more of the request; its response may still arrive.
    var upstreamRefusesMore = false
    /// What happens to the connection to the backend.
    var upstreamUse = UpstreamReuse.undecided
    /// The last local reply until the driver has logged it.
    private var localReply: LocalReply?
    /// Read at every step: testing the reply itself would copy it.
    private(set) var hasLocalReply = false
    /// Frames that arrived with the 101.
    var earlyFrames: [UInt8] = []
    /// Whether the 101 named an extension, which gives frames' reserved bits a meaning (RFC 6455, 5.2).
    var extensionsNegotiated = false
    /// The 101 was for a cable's client, whose messages the daemon understands.
    var switchesToActionCable = false
    /// The 101 named a subprotocol.
    var hasSubprotocol = false
    /// Counts requests, so that each wait has its own deadline.
    var requestCount = 0
    /// Bytes relayed in both directions; progress distinguishes a slow client from a stalled one.
    var moved = 0
    /// For a client that has ended its direction: progress at the last check, and how many consecutive checks were
    /// equal.
    var lastProgress = (moved: 0, bytes: 0, checks: 0)
    /// Bytes that were read and discarded while lingering.
    private var discarded = 0

    struct RequestInFlight {
        /// The original head, needed only for local replies.
        let head: StoredHead
        let service: BackendID?
        /// The client that a trusted proxy names; nil where the peer itself is the client.
        let announcedClient: String?
        let identity: RequestIdentity
        let version: HTTPVersion
        let isHead: Bool
        let upgrade: UpgradeIntent
        /// Whether the request asked for a WebSocket, allowed or not.
        let askedForTunnel: Bool
        var wantsKeepAlive: Bool
        var body: BodyReader
        var forwarding: Forwarding
        /// The reply of the status listener's access control; nil where access is granted.
        let denial: LocalReply?
        /// The handshake of a client of a cable.
        var cable: CableUpgrade?
        /// The cable of that client.
        let endpointCable: CableID?

        /// Method and target as received, for the log.
        var line: String { head.line }
        /// For the log: the query of a cable's client may have its token.
        var shownLine: String { endpointCable == nil ? line : String(line.prefix { $0 != "?" }) }
        /// Request ID in logs.
        var id: String { head.text(of: identity) }
    }

    /// State of a request that goes to a backend.
    struct Forwarding {
        /// The rewritten head until it is sent; on a kept connection until a response arrives.
        var head: [UInt8] = []
        /// How long the backend's connection stays open for the client's next request; nil closes it.
        var keepsUpstream: Duration?
        /// Whether the method is safe (RFC 9110, 9.2.1).
        var isSafe = false
        /// The action for a connection that breaks before any response.
        var repetition = Repetition.never
        /// How often the request has returned to the queue because the process did not listen.
        var returns: UInt16 = 0
        /// Whether the request may wake a sleeping backend.
        var mayWake = true
        /// The Origin that is not allowed to open a WebSocket; nil where none was rejected.
        var refusedOrigin: String?
    }

    /// When a sent request may be sent again.
    enum Repetition {
        case never
        /// On a new connection: it was sent on a kept one.
        case onFreshConnection
        /// When the process listens again: this generation has not responded yet.
        case whenListening
    }

    struct ResponseInFlight {
        var body: BodyReader
        let keepAlive: Bool
        /// Whether the response has a definite end and the backend has not announced a close.
        let leavesUpstreamOpen: Bool
    }

    init(rules: ExchangeRules, peer: SocketAddress, identity: UInt64) {
        self.rules = rules
        self.peer = peer
        self.identity = identity
        phase = rules.expectsProxyHeader ? .readingProxyHeader : .readingHead
        headParser = RequestHeadParser(limits: rules.headLimits)
    }

    /// Takes the rules of a new configuration; a request that was parsed keeps its own.
    mutating func update(_ rules: ExchangeRules) {
        switch phase {
        case .readingProxyHeader, .readingHead: self.rules = rules
        case .admitting, .acquiringBackend, .queued, .rejecting, .connecting, .awaitingConnection, .relaying,
            .readingBody, .serving, .awaitingCommand, .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            nextRules = rules
        }
    }

    /// Whether the request in progress may be one for this cable. A command does not tell.
    func mayConcern(_ id: CableID) -> Bool {
        switch phase {
        case .readingBody(let endpoint), .serving(let endpoint): [.cable(id), .broadcast(id)].contains(endpoint)
        case .awaitingCommand: true
        case .readingProxyHeader, .admitting, .readingHead, .acquiringBackend, .queued, .rejecting, .connecting,
            .awaitingConnection, .relaying, .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            false
        }
    }

    /// Whether the backend is asked to accept a client of this cable.
    func asksBackend(for id: CableID) -> Bool {
        switch phase {
        case .acquiringBackend, .queued, .connecting, .awaitingConnection, .relaying:
            request?.cable != nil && request?.endpointCable == id
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .readingBody, .serving, .awaitingCommand,
            .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            false
        }
    }

    // MARK: What to do next

    enum Step: Equatable {
        /// Answered with `admittedToListener` or `reject`.
        case admit
        case enterGate(BackendID)
        /// Answered with `refused(.disabled)`.
        case reject(BackendID)
        case connect(BackendID)
        /// Answer with `served`, `servedStream`, `respond`, `commandAccepted`, or take the connection over.
        case serve(Endpoint)
        case receive(Peer)
        case send(Peer)
        /// Close the backend's connection and return the lease, if one is held.
        case releaseUpstream
        /// Return the lease only: the connection stays for the client's next request.
        case keepUpstream
        case endSendingToClient
        case openTunnel
        case terminate(TerminationReason)
        /// Wait for the next event.
        case rest
    }

    /// Returns the step to perform now, given the readiness of the sockets.
    ///
    /// It changes nothing. It is `mutating` because the machine is too large to be copied for every step.
    mutating func next(client: Readiness, upstream: Readiness) -> Step {
        if case .over(let termination) = phase { return .terminate(termination) }
        if client.contains(.broken) { return .terminate(phase == .lingering ? .done : .clientReset) }
        if client.contains(.peerEnded), isQueued { return .terminate(.clientLeft) }
        // First of all: the sooner the lease is returned, the sooner the idle timeout starts.
        if upstreamUse != .undecided, let step = nextUpstreamStep(client: client, upstream: upstream) { return step }
        switch phase {
        case .over: preconditionFailure("handled above")
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

    /// Whether the client has given up: nothing is read from it, it has no response yet, and it has ended its stream.
    @inline(__always)
    private var isQueued: Bool {
        switch phase {
        case .queued, .awaitingCommand: true
        case .awaitingConnection: request?.upgrade == .webSocket
        case .relaying: request?.upgrade == .webSocket && response == nil
        case .readingProxyHeader, .admitting, .readingHead, .acquiringBackend, .rejecting, .connecting, .readingBody,
            .serving, .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            false
        }
    }

    /// Whether all responses are sent and no request has begun.
    var isBetweenRequests: Bool {
        phase == .readingHead && requestCount > 0 && inbound.isEmpty && toClient.isEmpty
    }

    @inline(__always)
    private var wantsClientBytes: Bool {
        switch phase {
        case .readingProxyHeader, .readingHead, .readingBody, .streaming, .lingering: true
        case .relaying: requestBodyIsOpen && toUpstream.isEmpty && inbound.isEmpty
        case .admitting, .acquiringBackend, .queued, .rejecting, .connecting, .awaitingConnection, .serving,
            .awaitingCommand, .finishing, .aborting, .tunnel, .over:
            false
        }
    }

    @inline(__always)
    private var wantsUpstreamBytes: Bool {
        phase == .relaying && toClient.isEmpty
    }

    @inline(__always)
    var requestBodyIsOpen: Bool { request?.body.isFinished == false && !upstreamRefusesMore }

    // MARK: Admission

    /// Continues a connection that the driver admitted; bytes behind the PROXY header are its first request.
    mutating func admittedToListener() {
        phase = .readingHead
        if !inbound.isEmpty { readHead() }
    }

    mutating func queued(_ id: BackendID) { phase = .queued(id) }

    /// Enters the gate: a lease is held from here to `releaseUpstream`.
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
        case .admitting, .acquiringBackend, .queued, .rejecting, .connecting, .awaitingConnection, .serving,
            .awaitingCommand, .finishing, .aborting, .tunnel, .over:
            preconditionFailure("bytes were read from the client while \(phase)")
        }
    }

    /// Handles the end of the client's stream.
    mutating func clientEnded() {
        switch phase {
        case .readingHead:
            // Responses to earlier requests are still being sent.
            phase = toClient.isEmpty ? .over(.clientClosed) : .finishing(keepAlive: false)
        case .relaying where !request!.body.isFinished || (request!.upgrade == .webSocket && response == nil):
            phase = .over(.clientLeft)
        case .acquiringBackend, .queued, .awaitingCommand, .connecting, .awaitingConnection: phase = .over(.clientLeft)
        case .readingBody: phase = .over(.clientLeft)
        case .streaming, .readingProxyHeader, .admitting: phase = .over(.clientClosed)
        case .lingering: phase = .over(.done)
        case .relaying: request!.wantsKeepAlive = false  // The client still expects its response.
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

    // MARK: Local replies

    /// Sends a local reply instead of a backend's response. The connection closes where body bytes are outstanding,
    /// where tunnel bytes have arrived, or with `closing`, where the framing cannot be trusted.
    mutating func respond(_ response: LocalReply, closing: Bool = false) {
        localReply = response
        hasLocalReply = true
        let keepAlive = staysOpen && !closing
        // Without a parsed head the client's preferred format is unknown.
        let context = request.map { LocalReply.ReplyContext(form: $0.head.responseFormat, requestID: $0.id) }
        let isHead = request?.isHead ?? beginsWithHead
        toClient.append(response.rendered(for: context ?? .init(), keepAlive: keepAlive, headOnly: isHead))
        phase = .finishing(keepAlive: keepAlive)
    }

    /// Whether the unread bytes begin with HEAD: such a client reads no body, even where its head is invalid (RFC 9112,
    /// 6.3).
    private var beginsWithHead: Bool {
        inbound.drop { $0 == HTTPByte.carriageReturn || $0 == HTTPByte.lineFeed }.starts(with: "HEAD ".utf8)
    }

    /// Whether the connection stays open behind a response that is made now.
    var staysOpen: Bool { request?.wantsKeepAlive == true && request?.body.isFinished == true && !hasTunnelBytes }

    /// Rejects the connection with 503: a connection limit is reached.
    mutating func reject() {
        respond(LocalReply(status: 503, body: "Too many connections; retry later."), closing: true)
    }

    /// Whether bytes follow a head that asked for a tunnel; they are not a request.
    var hasTunnelBytes: Bool { request?.askedForTunnel == true && !inbound.isEmpty }

    /// Returns the last local reply once, for the log; nil without one.
    mutating func takeLocalReply() -> LocalReply? {
        guard hasLocalReply else { return nil }
        hasLocalReply = false
        defer { localReply = nil }
        return localReply
    }

    /// Sends a complete response of the status listener or the control socket.
    mutating func served(_ bytes: [UInt8]) {
        toClient.append(bytes)
        phase = .finishing(keepAlive: staysOpen)
    }

    /// Hands the body over to the driver.
    mutating func takeEndpointBody() -> [UInt8] { endpointBody.takeAll() }

    /// Hands over bytes that arrived behind an upgrade's head; the driver owns the connection from here on.
    mutating func takeEarlyBytes() -> [UInt8] {
        defer { inbound = [] }
        return inbound
    }

    /// Waits for the response, which follows in a message of another driver.
    mutating func commandAccepted() { phase = .awaitingCommand }

    /// Sends the head of an endless response.
    mutating func servedStream(_ bytes: [UInt8]) {
        toClient.append(bytes)
        phase = .streaming
    }

    /// Sends more of an endless response. Returns false for a client that does not keep up and must be closed. A client
    /// that has read everything gets the next piece whatever its size.
    mutating func push(_ bytes: [UInt8]) -> Bool {
        guard toClient.isEmpty || toClient.count + bytes.count <= Limits.readBufferBytes else { return false }
        toClient.append(bytes)
        return true
    }
}
