/// The phases of an exchange, with the data that each of them has, and what can be told from a phase alone.
extension ExchangeMachine {
    enum Phase {
        /// A PROXY header has to name the client first.
        case readingProxyHeader
        /// The client is known: the driver checks the connection limits.
        case admitting
        /// Between requests, or a head is incomplete.
        case readingHead
        /// The service is disabled.
        case rejecting(BackendID, RequestInFlight)
        /// The head is complete: the driver asks the backend's gate.
        case acquiringBackend(ForwardedRequest)
        /// The backend is not up; nothing more is read from the client.
        case queued(ForwardedRequest)
        /// Admitted: the driver connects to the backend.
        case connecting(ForwardedRequest)
        /// The connection is being established.
        case awaitingConnection(ForwardedRequest)
        /// The request goes to the backend; the head of the final response is incomplete.
        case awaitingResponse(ForwardedRequest)
        /// The response goes to the client, and the rest of the request to the backend.
        case relaying(ForwardedRequest, ResponseInFlight)
        /// Both sides have agreed on WebSocket.
        case tunnel(ForwardedRequest, TunnelOpening)
        /// The daemon itself responds.
        case local(LocalStage, Endpoint, RequestInFlight)
        /// The last bytes of a response are being sent to the client. nil: no request could be read.
        case finishing(RequestInFlight?, keepAlive: Bool)
        /// A response cannot be completed: its sent part is flushed, then the connection is reset.
        case aborting(ForwardedRequest)
        /// Our direction is closed; input is discarded so that the client can read its response (lingering close).
        case lingering(discarded: Int)
        /// The request is the one that was in progress.
        case over(TerminationReason, RequestInFlight?)
    }

    /// The stages of a request for a local endpoint.
    enum LocalStage {
        /// The body is read, within the endpoint's limit.
        case readingBody(LocalBody)
        /// The request is complete: the endpoint's driver responds.
        case serving(body: [UInt8])
        /// Another driver replies in this turn of the event loop. Nothing else can happen to the request meanwhile.
        case awaitingReply
        /// The operation of an operator is in progress; its result is the response.
        case awaitingResult
        /// The client follows the status or a backend's output; its input is discarded.
        case streaming(discarded: Int)

        /// No byte of the response has been given.
        var awaitsResponse: Bool {
            switch self {
            case .serving, .awaitingReply, .awaitingResult: true
            case .readingBody, .streaming: false
            }
        }
    }

    /// The body so far; a class, because it grows in place.
    final class LocalBody {
        var bytes = ByteQueue()
    }

    /// The current request; nil between requests.
    @inline(__always)
    var request: RequestInFlight? {
        switch phase {
        case .readingProxyHeader, .admitting, .readingHead, .lingering: nil
        case .acquiringBackend(let request), .queued(let request), .connecting(let request),
            .awaitingConnection(let request), .awaitingResponse(let request), .relaying(let request, _),
            .tunnel(let request, _), .aborting(let request):
            request
        case .rejecting(_, let request), .local(_, _, let request): request
        case .finishing(let request, _), .over(_, let request): request
        }
    }

    /// The request that is on its way to a backend or has gone there; nil in all other phases.
    @inline(__always)
    var forwardedRequest: ForwardedRequest? {
        switch phase {
        case .acquiringBackend(let request), .queued(let request), .connecting(let request),
            .awaitingConnection(let request), .awaitingResponse(let request), .relaying(let request, _),
            .tunnel(let request, _), .aborting(let request):
            request
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .local, .finishing, .lingering, .over: nil
        }
    }

    /// The request that waits for a lease.
    var requestAtGate: ForwardedRequest? {
        if case .acquiringBackend(let request) = phase { return request }
        if case .queued(let request) = phase { return request }
        return nil
    }

    /// The request for which a connection is made.
    var connectingRequest: ForwardedRequest? {
        if case .connecting(let request) = phase { return request }
        if case .awaitingConnection(let request) = phase { return request }
        return nil
    }

    /// What the 101 says about the tunnel; nil where none was agreed on.
    var tunnelOpening: TunnelOpening? { if case .tunnel(_, let opening) = phase { opening } else { nil } }

    /// Whether all responses are sent and no request has begun.
    var isBetweenRequests: Bool {
        if case .readingHead = phase { requestCount > 0 && inbound.isEmpty && toClient.isEmpty } else { false }
    }

    @inline(__always)
    var isLingering: Bool { if case .lingering = phase { true } else { false } }

    /// Whether a connection to the backend is being established.
    var awaitsConnection: Bool { if case .awaitingConnection = phase { true } else { false } }

    /// Whether the response follows in a message of this turn.
    var awaitsReply: Bool { if case .local(.awaitingReply, _, _) = phase { true } else { false } }

    /// Whether the request in progress may be one for this cable. An operation does not tell.
    func mayConcern(_ id: CableID) -> Bool {
        guard case .local(let stage, let endpoint, _) = phase else { return false }
        return switch stage {
        case .readingBody, .serving, .awaitingReply: [.cable(id), .broadcast(id)].contains(endpoint)
        case .awaitingResult: true
        case .streaming: false
        }
    }

    /// The same for a command.
    func mayConcern(_ id: CommandID) -> Bool {
        guard case .local(let stage, let endpoint, _) = phase else { return false }
        return switch stage {
        case .readingBody, .serving, .awaitingReply: [.command(id), .run(id)].contains(endpoint)
        case .awaitingResult: true
        case .streaming: false
        }
    }

    /// Whether the backend is asked to accept a client of this cable.
    func asksBackend(for id: CableID) -> Bool {
        switch phase {
        case .acquiringBackend(let request), .queued(let request), .connecting(let request),
            .awaitingConnection(let request), .awaitingResponse(let request), .relaying(let request, _):
            request.parsed.cable?.id == id
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .tunnel, .local, .finishing, .aborting,
            .lingering, .over:
            false
        }
    }

    /// Whether the connection delays a shutdown: an exchange is in progress, other than a stream of status or output.
    var delaysShutdown: Bool {
        switch phase {
        case .readingHead, .lingering, .local(.streaming, _, _): false
        case .readingProxyHeader, .admitting, .acquiringBackend, .queued, .rejecting, .connecting, .awaitingConnection,
            .awaitingResponse, .relaying, .tunnel, .local, .finishing, .aborting, .over:
            true
        }
    }

    /// Whether the request may return to the queue: nothing of it was sent, or it is safe and this generation of the
    /// backend has not responded yet.
    var mayWaitAgain: Bool {
        switch phase {
        case .connecting(let request), .awaitingConnection(let request): request.mayReturn
        case .awaitingResponse(let request): request.mayReturnUnanswered
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .acquiringBackend, .queued, .relaying, .tunnel,
            .local, .finishing, .aborting, .lingering, .over:
            false
        }
    }

    /// Whether the request was sent on a connection, of which no response has arrived.
    var awaitsResponse: Bool { if case .awaitingResponse = phase { true } else { false } }

    /// Whether the response would be the first of this generation of the backend.
    @inline(__always)
    var provesBackend: Bool { if case .awaitingResponse(let request) = phase { request.provesBackend } else { false } }

    /// Whether the request is on a kept connection and nothing of a response has arrived.
    var isRetriable: Bool { if case .awaitingResponse(let request) = phase { request.isRetriable } else { false } }

    /// Whether the connection stays open behind a response that is made now.
    var staysOpen: Bool { request?.staysOpen(inbound) ?? false }

    /// The client's address as in `$remote_addr` and the log.
    var remoteAddress: String { request?.parsed.announcedClient ?? peer.host }

    /// The service's name for client-facing texts.
    var serviceSentence: String {
        guard let service = request?.service else { return "The service" }
        return "The service \"\(rules.services[service.index].name)\""
    }

    @inline(__always)
    var serviceLimits: ServiceLimits {
        guard let service = request?.service else { return rules.limits.service }
        return rules.services[service.index].limits
    }

    var answerLimits: HeadLimits {
        HeadLimits(maximumHeaderBytes: serviceLimits.maximumResponseHeadBytes, maximumFields: Limits.responseFields)
    }

    /// Traps: the driver has reported what cannot happen in this phase.
    func impossible(_ event: StaticString = #function) -> Never { preconditionFailure("\(event) while \(phase)") }
}
