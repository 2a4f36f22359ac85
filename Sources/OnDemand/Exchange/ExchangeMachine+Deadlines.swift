/// The deadline of each wait of an exchange, and what follows when it expires.
extension ExchangeMachine {
    enum Deadline: Equatable, CaseIterable {
        case head, keepAlive, idleUpstream, body, connect, response, flush, linger
        /// The client has ended its direction behind its request: without progress it counts as gone.
        case departure
    }

    /// Returns the deadline of the current wait; nil where another part limits it or none applies. It is `mutating` for
    /// the reason given at `next`.
    mutating func deadline(client: Readiness) -> Deadline? {
        switch phase {
        case .readingProxyHeader: .head
        case .readingHead: toClient.isEmpty ? (inbound.isEmpty ? deadlineBetweenRequests : .head) : .flush
        case .local(.readingBody, _, _): .body
        case .awaitingConnection(let request): mayHaveLeft(client, request) ? .departure : .connect
        case .awaitingResponse(let request): deadlineWhileForwarding(request, client) ?? .response
        case .relaying(let request, _): deadlineWhileForwarding(request, client)
        case .finishing, .aborting: .flush
        case .lingering: .linger
        case .admitting, .acquiringBackend, .rejecting, .queued, .connecting, .tunnel, .over, .local(.serving, _, _),
            .local(.awaitingReply, _, _), .local(.awaitingResult, _, _), .local(.streaming, _, _):
            nil
        }
    }

    private var deadlineBetweenRequests: Deadline { idleUpstream == nil ? .keepAlive : .idleUpstream }

    /// Whether the client may be gone: its request is complete and its direction has ended. A full close and a
    /// half-close look alike until bytes are sent, which a closed connection answers with a reset.
    @inline(__always)
    private func mayHaveLeft(_ client: Readiness, _ request: ForwardedRequest) -> Bool {
        client.contains(.peerEnded) && request.body.isFinished
    }

    /// Limits whichever side must act next. A backend that has begun its response may stream at any rate. A client that
    /// still owes body bytes is limited, unless bytes move in either direction.
    @inline(__always)
    private func deadlineWhileForwarding(_ request: ForwardedRequest, _ client: Readiness) -> Deadline? {
        guard toClient.isEmpty else { return .flush }
        guard !mayHaveLeft(client, request) else { return .departure }
        return bodyIsOpen(of: request) && toUpstream.isEmpty ? .body : nil
    }

    @inline(__always)
    func limit(of deadline: Deadline) -> Duration {
        switch deadline {
        case .head: rules.limits.headerTimeout
        case .keepAlive: Limits.keepAliveTimeout
        case .idleUpstream: idleUpstream?.timeout ?? .zero
        case .body: serviceLimits.bodyTimeout
        case .connect: Limits.connectTimeout
        case .response: serviceLimits.responseTimeout
        case .flush: serviceLimits.sendTimeout
        case .linger: Limits.lingerTimeout
        case .departure: Limits.departureTimeout
        }
    }

    /// Handles an expired deadline. `undelivered`: bytes sent to the client and not acknowledged, used for
    /// `departure` only.
    mutating func deadlineFired(_ deadline: Deadline, undelivered: Int = 0) {
        switch deadline {
        case .head: respond(LocalReply(status: 408, body: "The request header timed out."), closing: true)
        case .keepAlive: end(.idle)
        case .idleUpstream: upstream.reuse = .spent
        case .body: failUpstream(LocalReply(status: 408, body: "The request body timed out."))
        case .connect, .response:
            failUpstream(LocalReply(status: 504, body: "\(serviceSentence) did not respond in time."))
        case .flush: end(.stalled)
        case .linger: end(.done)
        case .departure: departureIsDue(undelivered)
        }
    }

    /// Handles a client that sends nothing more while no bytes move. With all bytes acknowledged it is gone. With bytes
    /// in flight and no reset it is slow, and gets the usual `send_timeout`.
    private mutating func departureIsDue(_ undelivered: Int) {
        guard undelivered > 0, let request else { return end(.clientLeft) }
        let last = request.lastProgress
        let isSame = last.moved == moved && last.bytes == undelivered
        request.lastProgress = (moved, undelivered, isSame ? last.checks + 1 : 1)
        if Limits.departureTimeout * request.lastProgress.checks >= serviceLimits.sendTimeout { end(.stalled) }
    }
}
