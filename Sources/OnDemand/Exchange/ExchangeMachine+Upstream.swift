/// The connection to the backend: connect, fail, retry, keep.
///
/// A kept connection (RFC 9112, 9.3) belongs to one client and one generation of one backend. Only a safe request
/// without a body is sent on it, because the backend may be closing it at that moment (RFC 9112, 9.3.1). Such a request
/// is then retried once on a new connection, except where the request may have crashed the backend.
extension ExchangeMachine {
    // MARK: Made

    mutating func connectionStarted() {
        upstreamUse = .undecided
        phase = .awaitingConnection
    }

    /// Starts relaying on a new or kept connection. `isProven`: this generation of the backend has responded before.
    mutating func connected(isKept: Bool = false, isProven: Bool = true) {
        upstreamUse = .undecided
        phase = .relaying
        responseParser = ResponseHeadParser(limits: answerLimits)
        toUpstream.append(request!.forwarding.head)
        if isKept {
            request!.forwarding.repetition = .onFreshConnection
        } else if !isProven, request!.forwarding.isSafe, request!.body.isFinished {
            request!.forwarding.repetition = .whenListening
        } else {
            request!.forwarding.repetition = .never
            request!.forwarding.head = []
        }
        forwardBody()
    }

    /// Whether the request may return to the queue: nothing of it was sent, or it is safe and this generation of the
    /// backend has not responded yet.
    var mayWaitAgain: Bool {
        guard let returns = request?.forwarding.returns, returns < Limits.returnsToQueue else { return false }
        switch phase {
        case .connecting, .awaitingConnection: return true
        case .relaying: return provesBackend && request?.forwarding.head.isEmpty == false
        case .readingProxyHeader, .admitting, .readingHead, .acquiringBackend, .queued, .rejecting, .readingBody,
            .serving, .awaitingCommand, .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            return false
        }
    }

    /// Whether its response is the first of this generation of the backend.
    @inline(__always)
    var provesBackend: Bool { request?.forwarding.repetition == .whenListening }

    /// Puts the request back into the queue after its connection was released, until the process listens again.
    mutating func waitAgain(for id: BackendID) {
        request!.forwarding.returns += 1
        request!.forwarding.repetition = .never
        toUpstream.removeAll()
        phase = .queued(id)
    }

    /// Reconnects within the same timeout: the backend's accept queue is full.
    mutating func connectAgain(to id: BackendID) {
        guard phase == .awaitingConnection else { return }
        phase = .connecting(id)
    }

    /// Rejects the request: the system has no descriptor, port or memory for a connection. The lease is returned.
    mutating func resourcesRanOut() {
        upstreamUse = .spent
        refused(.resourcesExhausted, retryAfter: Refusal.resourcesExhaustedRetry)
    }

    /// Answers 502. `isOwnListener`: the target is a listener of this daemon, which would loop forever.
    mutating func connectFailed(isOwnListener: Bool = false) {
        let reason = isOwnListener ? "has a listener of this daemon as its target" : "does not accept connections"
        failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(reason)."))
    }

    // MARK: Ended

    /// Handles the end of the backend's stream. `isUnread`: the backend did not read what was sent to it.
    mutating func upstreamEnded(isUnread: Bool = false) {
        guard phase == .relaying else { return }
        if let response, response.body.endsAtClose || response.body.isFinished {
            finishResponse(isWholeStream: false)
        } else if isRetriable, isUnread || upstreamRefusesMore || !toUpstream.isEmpty {
            retry()
        } else {
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) ended its response too early."))
        }
    }

    /// Handles a reset; a system also resets a connection that is closed with unread bytes.
    mutating func upstreamWasReset() {
        guard phase == .relaying else { return }
        if isRetriable { retry() } else { upstreamFailed() }
    }

    mutating func upstreamFailed() {
        guard phase == .relaying else { return }
        failUpstream(LocalReply(status: 502, body: "\(serviceSentence) reset the connection."))
    }

    /// Handles the end of the generation that admitted the request. Returns true where nothing of the request was sent:
    /// the next generation may serve it and needs a lease of its own.
    mutating func backendGenerationEnded() -> Bool {
        switch phase {
        case .connecting, .awaitingConnection:
            retry()
            return true
        case .readingProxyHeader, .admitting, .readingHead, .acquiringBackend, .queued, .rejecting, .relaying,
            .readingBody, .serving, .awaitingCommand, .streaming, .finishing, .aborting, .lingering, .tunnel, .over:
            return false
        }
    }

    /// Whether the request is on a kept connection and nothing of a response has arrived.
    var isRetriable: Bool {
        phase == .relaying && request?.forwarding.repetition == .onFreshConnection
            && request?.forwarding.head.isEmpty == false
    }

    /// Sends the request through the gate again: where the generation has ended, the next one serves it.
    private mutating func retry() {
        guard let service = request?.service else { preconditionFailure("a retried request has no service") }
        upstreamUse = .spent
        toUpstream.removeAll()
        phase = .acquiringBackend(service)
    }

    // MARK: Kept

    /// Returns the step that ends the use of the connection. It comes before all others: the sooner the lease is
    /// returned, the sooner the idle timeout starts.
    func nextUpstreamStep(client: Readiness, upstream: Readiness) -> Step? {
        // Unexpected bytes, or an end, do not belong to the next request.
        let isQuiet = upstream.isDisjoint(with: [.readable, .peerEnded, .broken])
        return switch upstreamUse {
        case .undecided: nil
        case .spent: .releaseUpstream
        case .reusable: isQuiet ? .keepUpstream : .releaseUpstream
        case .kept(let idleUpstream): isAwaited(idleUpstream, by: client) && isQuiet ? nil : .releaseUpstream
        }
    }

    /// Whether a kept connection still has a use. A server may dedicate a worker to each connection, so it waits for no
    /// slow client.
    private func isAwaited(_ idleUpstream: UpstreamReuse.Idle, by client: Readiness) -> Bool {
        switch phase {
        case .readingHead: inbound.isEmpty
        case .finishing(let keepAlive): keepAlive && client.contains(.writable)
        case .acquiringBackend(let id): id == idleUpstream.service && (request?.isReusable ?? false)
        // The driver checks this case, because it holds the lease of the new request by now.
        case .connecting: true
        case .readingProxyHeader, .admitting, .queued, .rejecting, .awaitingConnection, .relaying, .readingBody,
            .serving, .awaitingCommand, .streaming, .aborting, .lingering, .tunnel, .over:
            false
        }
    }

    /// The connection that waits for the client's next request; nil without one.
    var idleUpstream: UpstreamReuse.Idle? {
        if case .kept(let idleUpstream) = upstreamUse { idleUpstream } else { nil }
    }

    var deadlineBetweenRequests: Deadline { idleUpstream == nil ? .keepAlive : .idleUpstream }

    /// The connection after a complete response, open and with nothing in flight in either direction; nil where it must
    /// close.
    var idleUpstreamAfterResponse: UpstreamReuse.Idle? {
        guard let request, let response, let service = request.service, let timeout = request.forwarding.keepsUpstream,
            response.leavesUpstreamOpen, toUpstream.isEmpty, !upstreamRefusesMore
        else { return nil }
        return .init(service: service, timeout: timeout)
    }

    /// Records that the driver has performed `keepUpstream`.
    mutating func keptUpstream() {
        guard case .reusable(let idleUpstream) = upstreamUse else {
            preconditionFailure("kept although it is \(upstreamUse)")
        }
        releasedUpstream()
        upstreamUse = .kept(idleUpstream)
    }

    /// Records that the driver has performed `releaseUpstream`.
    mutating func releasedUpstream() {
        upstreamUse = .undecided
        upstreamRefusesMore = false
        responseHead = []
        responseParser = ResponseHeadParser()
    }
}

extension ExchangeMachine.RequestInFlight {
    /// Whether the request may be sent on a kept connection.
    fileprivate var isReusable: Bool { forwarding.keepsUpstream != nil && forwarding.isSafe && body.isFinished }
}
