/// The HTTP exchanges of one client, one after the other, up to the tunnel, as a pure state machine.
///
/// Events (bytes, results of the driver, decisions at the gate, deadlines) come in through its functions, which set the
/// phase. `next` looks at the phase and at the readiness of both sockets, and returns the one step that the driver
/// performs next. The driver repeats that until the step is `rest`.
///
/// Phases (`Phase`, with the data that each of them has):
/// - *readingProxyHeader*, *admitting*, *readingHead*: no request yet. Between two requests it is *readingHead* again.
/// - *rejecting*: the service is disabled.
/// - *acquiringBackend*, *queued*, *connecting*, *awaitingConnection*: the head of a request is complete, and nothing
///   of it has reached a backend. A lease is held from *connecting* on.
/// - *awaitingResponse*, *relaying*, *tunnel*: the request goes to the backend. Its response is awaited, has begun, or
///   was a valid 101.
/// - *local*: the daemon itself responds. It reads the body, serves the request, waits for a result, or streams.
/// - *finishing*: the last bytes of a response go to the client. Local replies lead here from any phase.
/// - *aborting*: a response that has begun cannot be completed.
/// - *lingering*, *over*: nothing follows but the end of the connection.
///
/// The backend's connection has a state of its own (`UpstreamState`), because it may outlive a request.
///
/// Invariants:
/// - The machine touches no socket, and knows no time.
/// - This file alone writes the phase.
/// - It holds at most one unread head, or one read of bytes, in each direction: nothing is read for a slow peer.
/// - While a lease is held the driver returns it exactly once, at `releaseUpstream` or `keepUpstream`.
/// - Each request gets one response, or its connection is closed; one that has begun and cannot be completed is reset.
/// - Bytes behind a request that asked for a tunnel are never read as a request.
///
/// Example: a GET arrives (`begin`): *acquiringBackend*, step `enterGate`. The backend sleeps: *queued*. It is awake:
/// *connecting*, step `connect`; *awaitingResponse*. The head of the response: *relaying*. Its last byte: *finishing*,
/// step `releaseUpstream`; the client has it: *readingHead*. docs/EXCHANGE.md has every pair of phase and event.
struct ExchangeMachine {
    private(set) var phase: Phase
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
    var upstream = UpstreamState()
    var toUpstream = ByteQueue()
    var toClient = ByteQueue()
    /// The last local reply until the driver has logged it.
    var localReply: LocalReply?
    /// Read at every step: testing the reply itself would copy it.
    var hasLocalReply = false
    /// Counts requests, so that each wait has its own deadline.
    private(set) var requestCount = 0
    /// Bytes relayed in both directions; progress distinguishes a slow client from a stalled one.
    var moved = 0

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
        case .admitting, .rejecting, .acquiringBackend, .queued, .connecting, .awaitingConnection, .awaitingResponse,
            .relaying, .tunnel, .local, .finishing, .aborting, .lingering, .over:
            nextRules = rules
        }
    }

    // MARK: Admission

    /// Continues a connection that the driver admitted; bytes behind the PROXY header are its first request.
    mutating func admittedToListener() {
        guard case .admitting = phase else { impossible() }
        phase = .readingHead
        if !inbound.isEmpty { readHead() }
    }

    /// The gate is closed, and the driver has asked for the backend.
    mutating func queued() {
        guard case .acquiringBackend(let request) = phase else { impossible() }
        phase = .queued(request)
    }

    /// Enters the gate: a lease is held from here to `releaseUpstream`.
    mutating func admitted() {
        guard let request = requestAtGate else { impossible() }
        phase = .connecting(request)
    }

    // MARK: The client's socket

    mutating func receivedFromClient(_ bytes: ArraySlice<UInt8>) {
        switch phase {
        case .readingProxyHeader:
            inbound += bytes
            if readProxyHeader() { phase = .admitting }
        case .readingHead:
            inbound += bytes
            readHead()
        case .awaitingResponse(let request), .relaying(let request, _):
            moved &+= bytes.count
            inbound += bytes
            forwardBody(of: request)
        case .local(.readingBody(let body), let endpoint, let request):
            moved &+= bytes.count
            inbound += bytes
            collect(body, for: endpoint, request)
        case .local(.streaming(let discarded), let endpoint, let request):
            let discarded = discarded + bytes.count
            phase = .local(.streaming(discarded: discarded), endpoint, request)
            if discarded > Limits.lingerBytes { end(.clientClosed) }
        case .lingering(let discarded):
            phase = .lingering(discarded: discarded + bytes.count)
            if discarded + bytes.count > Limits.lingerBytes { end(.done) }
        case .admitting, .rejecting, .acquiringBackend, .queued, .connecting, .awaitingConnection, .tunnel, .local,
            .finishing, .aborting, .over:
            impossible()
        }
    }

    /// Handles the end of the client's stream.
    mutating func clientEnded() {
        switch phase {
        case .readingHead:
            // Responses to earlier requests are still being sent.
            if toClient.isEmpty { end(.clientClosed) } else { phase = .finishing(nil, keepAlive: false) }
        case .awaitingResponse(let request) where !request.body.isFinished || request.opensWebSocket: end(.clientLeft)
        case .relaying(let request, _) where !request.body.isFinished: end(.clientLeft)
        case .awaitingResponse(let request), .relaying(let request, _):
            request.wantsKeepAlive = false  // The client still expects its response.
        case .acquiringBackend, .queued, .connecting, .awaitingConnection, .local(.readingBody, _, _),
            .local(.awaitingResult, _, _):
            end(.clientLeft)
        case .readingProxyHeader, .admitting, .local(.streaming, _, _): end(.clientClosed)
        case .lingering: end(.done)
        case .finishing(let request, _): phase = .finishing(request, keepAlive: false)
        case .rejecting, .tunnel, .local(.serving, _, _), .local(.awaitingReply, _, _), .aborting, .over: break
        }
    }

    mutating func clientFailed() {
        if case .over = phase { return }
        end(isLingering ? .done : .clientReset)
    }

    mutating func sentToClient(_ count: Int) {
        moved &+= count
        toClient.removeFirst(count)
        guard toClient.isEmpty, case .finishing(_, keepAlive: true) = phase else { return }
        beginNextRequest()
    }

    mutating func endedSendingToClient() {
        guard case .finishing = phase else { impossible() }
        phase = .lingering(discarded: 0)
    }

    private mutating func beginNextRequest() {
        phase = .readingHead
        rules = nextRules ?? rules
        nextRules = nil
        requestCount += 1
        headParser = RequestHeadParser(limits: rules.headLimits)
        if !inbound.isEmpty { readHead() }
    }

    // MARK: The request

    /// Begins with the next request, if its head is complete.
    private mutating func readHead() {
        if let (request, disposition) = nextRequest() { begin(request, disposition) }
    }

    private mutating func begin(_ request: RequestInFlight, _ disposition: RequestReader.Disposition) {
        switch disposition {
        case .forward(let request): phase = .acquiringBackend(request)
        case .reject(let id): phase = .rejecting(id, request)
        case .serve(let endpoint): phase = .local(.serving(body: []), endpoint, request)
        case .readBody(let endpoint, let isAwaited):
            if isAwaited, inbound.isEmpty, !request.body.isFinished { toClient.append(LocalReply.continueResponse) }
            let body = LocalBody()
            phase = .local(.readingBody(body), endpoint, request)
            collect(body, for: endpoint, request)
        case .reply(let reply): respond(reply, to: request)
        case .describeServer: finish(request, with: serverDescription(for: request))
        }
    }

    /// Reads the body of a request for an endpoint.
    private mutating func collect(_ body: LocalBody, for endpoint: Endpoint, _ request: RequestInFlight) {
        do {
            try takeBody(of: request, into: &body.bytes)
        } catch {
            return respond(LocalReply(refusing: error), closing: true)
        }
        if request.body.isFinished { phase = .local(.serving(body: body.bytes.takeAll()), endpoint, request) }
    }

    // MARK: The connection to the backend

    /// The connection is being established.
    mutating func connectionStarted() {
        guard case .connecting(let request) = phase else { impossible() }
        upstream.reuse = .undecided
        phase = .awaitingConnection(request)
    }

    /// Sends the request on a new or kept connection. `isProven`: this generation of the backend has responded before.
    mutating func connected(isKept: Bool = false, isProven: Bool = true) {
        guard let request = connectingRequest else { impossible() }
        upstream.reuse = .undecided
        upstream.parser = ResponseHeadParser(limits: answerLimits)
        toUpstream.append(request.headForConnection(isKept: isKept, isProven: isProven))
        phase = .awaitingResponse(request)
        forwardBody(of: request)
    }

    /// Reconnects within the same timeout: the backend's accept queue is full.
    mutating func connectAgain() {
        guard case .awaitingConnection(let request) = phase else { return }
        phase = .connecting(request)
    }

    /// Puts the request back into the queue after its connection was released, until the process listens again.
    mutating func waitAgain() {
        guard mayWaitAgain, let request = forwardedRequest else { impossible() }
        request.returnToQueue()
        toUpstream.removeAll()
        phase = .queued(request)
    }

    /// Handles the end of the generation that admitted the request. Returns true where nothing of the request was sent:
    /// the next generation may serve it and needs a lease of its own.
    mutating func backendGenerationEnded() -> Bool {
        guard let request = connectingRequest else { return false }
        retry(request)
        return true
    }

    /// Sends the request through the gate again: where the generation has ended, the next one serves it.
    private mutating func retry(_ request: ForwardedRequest) {
        upstream.reuse = .spent
        toUpstream.removeAll()
        phase = .acquiringBackend(request)
    }

    /// Handles a failed backend: sends a local reply, or aborts the connection where the response has begun.
    mutating func failUpstream(_ reply: LocalReply) {
        upstream.reuse = .spent
        toUpstream.removeAll()
        // A clean close would make a response without a length look complete (RFC 9112, 8).
        if case .relaying(let request, _) = phase { phase = .aborting(request) } else { respond(reply) }
    }

    // MARK: The backend's socket

    mutating func receivedFromUpstream(_ bytes: ArraySlice<UInt8>) {
        if case .relaying(let request, let response) = phase { return forward(bytes, of: response, to: request) }
        guard case .awaitingResponse(let request) = phase else { impossible() }
        request.dropHead()
        upstream.unread += bytes
        switch readHeads(of: request) {
        case .incomplete: break
        case .tunnel(let opening): phase = .tunnel(request, opening)
        case .response(let response, let rest):
            phase = .relaying(request, response)
            forward(rest, of: response, to: request)
        case .invalid(let reply): failUpstream(reply)
        }
    }

    private mutating func forward(
        _ bytes: ArraySlice<UInt8>, of response: ResponseInFlight, to request: ForwardedRequest
    ) {
        var response = response
        do {
            let count = try response.body.pass(bytes, to: &toClient)
            if response.body.isFinished {
                // Discard bytes behind the end: they belong to no response.
                finish(response, to: request, isWholeStream: count == bytes.count)
            } else {
                phase = .relaying(request, response)
            }
        } catch {
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) sent an invalid response body."))
        }
    }

    /// `isWholeStream`: no bytes followed the response.
    private mutating func finish(_ response: ResponseInFlight, to request: ForwardedRequest, isWholeStream: Bool) {
        let keepAlive = response.keepAlive && request.wantsKeepAlive
        let idleUpstream = isWholeStream && keepAlive ? idleUpstream(behind: response, to: request) : nil
        upstream.reuse = idleUpstream.map { .reusable($0) } ?? .spent
        toUpstream.removeAll()
        phase = .finishing(request, keepAlive: keepAlive)
        if toClient.isEmpty, keepAlive { beginNextRequest() }
    }

    /// Handles the end of the backend's stream. `isUnread`: the backend did not read what was sent to it.
    mutating func upstreamEnded(isUnread: Bool = false) {
        if case .relaying(let request, let response) = phase, response.body.endsAtClose {
            return finish(response, to: request, isWholeStream: false)
        }
        if case .awaitingResponse(let request) = phase, request.isRetriable,
            isUnread || upstream.refusesMore || !toUpstream.isEmpty
        {
            return retry(request)
        }
        breakOff("ended its response too early")
    }

    /// Handles a reset; a system also resets a connection that is closed with unread bytes.
    mutating func upstreamWasReset() {
        if case .awaitingResponse(let request) = phase, request.isRetriable { retry(request) } else { upstreamFailed() }
    }

    // MARK: Local replies

    /// Sends a local reply instead of a backend's response. The connection closes where body bytes are outstanding,
    /// where tunnel bytes have arrived, or with `closing`, where the framing cannot be trusted.
    mutating func respond(_ reply: LocalReply, closing: Bool = false) { respond(reply, to: request, closing: closing) }

    mutating func respond(_ response: LocalReply, to request: RequestInFlight?, closing: Bool = false) {
        localReply = response
        hasLocalReply = true
        let keepAlive = !closing && request?.staysOpen(inbound) ?? false
        toClient.append(rendered(response, for: request, keepAlive: keepAlive))
        phase = .finishing(request, keepAlive: keepAlive)
    }

    // MARK: Local endpoints

    /// Sends a complete response of the status listener or the control socket.
    mutating func served(_ bytes: [UInt8]) {
        guard case .local(_, _, let request) = phase else { impossible() }
        finish(request, with: bytes)
    }

    private mutating func finish(_ request: RequestInFlight, with bytes: [UInt8]) {
        toClient.append(bytes)
        phase = .finishing(request, keepAlive: request.staysOpen(inbound))
    }

    /// Waits for the response, which follows in a message of another driver: in this turn, or at any time.
    mutating func requestAccepted(repliesInThisTurn isQuick: Bool = false) {
        guard case .local(.serving, let endpoint, let request) = phase else { impossible() }
        phase = .local(isQuick ? .awaitingReply : .awaitingResult, endpoint, request)
    }

    /// Sends the head of an endless response.
    mutating func servedStream(_ bytes: [UInt8]) {
        guard case .local(let stage, let endpoint, let request) = phase, stage.awaitsResponse else { impossible() }
        toClient.append(bytes)
        phase = .local(.streaming(discarded: 0), endpoint, request)
    }

    /// Sends the last bytes of such a response. Its end is the end of the connection.
    mutating func endStream(_ bytes: [UInt8]) {
        // The client may have left in this turn.
        guard case .local(.streaming, _, let request) = phase else { return }
        toClient.append(bytes)
        phase = .finishing(request, keepAlive: false)
    }

    /// A client of a cable whose backend accepts clients itself.
    mutating func proceedToBackend() {
        guard case .local(.serving, _, let served) = phase, let request = served as? ForwardedRequest else {
            impossible()
        }
        begin(request, request.disposition)
    }

    // MARK: The end

    /// Begins the drain: the connection stays open for no further request.
    mutating func drain() -> DrainOutcome {
        closeAfterResponse()
        switch phase {
        case .readingProxyHeader, .readingHead, .local(.streaming, _, _), .lingering: return .close
        case .queued(let request): return .reject(request.backend)
        case .local(.awaitingResult, _, _): return .abandonRequest
        case .finishing(let request, _): phase = .finishing(request, keepAlive: false)
        case .admitting, .rejecting, .acquiringBackend, .connecting, .awaitingConnection, .awaitingResponse, .relaying,
            .tunnel, .local(.readingBody, _, _), .local(.serving, _, _), .local(.awaitingReply, _, _), .aborting, .over:
            break
        }
        return .finish
    }

    mutating func end(_ reason: TerminationReason) { phase = .over(reason, request) }
}
