/// The connection to the backend: how it comes about, what happens when it breaks, and when it outlives its request.
///
/// A kept connection (RFC 9112, 9.3) belongs to one client and one life of one backend. Only a request that changes
/// nothing and has no body is sent on it, because the backend may be closing it at that moment (RFC 9112, 9.3.1). Then
/// such a request is sent once more, on a connection of its own; not if the backend may have read it and died of it.
extension ExchangeMachine {
    // MARK: Made

    mutating func connectionStarted() {
        upstreamUse = .undecided
        phase = .awaitingConnection
    }

    /// Just now, or for an earlier request. `isProven`: this life of the backend has answered something already.
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

    /// Whether the request may go back to the queue: nothing of it has been sent, or it changes nothing and its backend
    /// has not answered anything yet.
    var mayWaitAgain: Bool {
        guard let returns = request?.forwarding.returns, returns < Limits.returnsToQueue else { return false }
        switch phase {
        case .connecting, .awaitingConnection: return true
        case .relaying: return provesBackend && request?.forwarding.head.isEmpty == false
        default: return false
        }
    }

    /// Whether its answer is the first of this life of the backend.
    @inline(__always)
    var provesBackend: Bool { request?.forwarding.repetition == .whenListening }

    /// After the connection was released: the request waits for the backend's process to listen again.
    mutating func waitAgain(for id: BackendID) {
        request!.forwarding.returns += 1
        request!.forwarding.repetition = .never
        toUpstream.removeAll()
        phase = .queued(id)
    }

    /// The backend's queue is full: the connection is still to be made, within the same limit.
    mutating func connectAgain(to id: BackendID) {
        guard phase == .awaitingConnection else { return }
        phase = .connecting(id)
    }

    /// The system has nothing left to make a connection of; the lease goes back, and the client may try again.
    mutating func resourcesRanOut() {
        upstreamUse = .spent
        refused(.resourcesExhausted, retryAfter: Refusal.resourcesExhaustedRetry)
    }

    /// `isOwnListener`: the request would come back to this daemon, for ever.
    mutating func connectFailed(isOwnListener: Bool = false) {
        let reason = isOwnListener ? "has a listener of this daemon as its target" : "does not accept connections"
        failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(reason)."))
    }

    // MARK: Ended

    /// The backend will send nothing more. `isUnread`: what it was sent has not even arrived.
    mutating func upstreamEnded(isUnread: Bool = false) {
        guard phase == .relaying else { return }
        if let response, response.body.endsAtClose || response.body.isFinished {
            finishResponse(isWholeStream: false)
        } else if isRetriable, isUnread || upstreamRefusesMore || !toUpstream.isEmpty {
            retry()
        } else {
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) ended its answer too early."))
        }
    }

    /// A system resets a connection that is closed while bytes wait in it that nobody has read.
    mutating func upstreamWasReset() {
        guard phase == .relaying else { return }
        if isRetriable { retry() } else { upstreamFailed() }
    }

    mutating func upstreamFailed() {
        guard phase == .relaying else { return }
        failUpstream(LocalReply(status: 502, body: "\(serviceSentence) broke the connection."))
    }

    /// The life that it was admitted to is over. True where not a byte of the request has left: then the next life may
    /// answer it, and must not be mistaken for the one whose lease is held.
    mutating func backendGenerationEnded() -> Bool {
        switch phase {
        case .connecting, .awaitingConnection:
            retry()
            return true
        default:
            return false
        }
    }

    /// The request is on a kept connection, and nothing has come back.
    var isRetriable: Bool {
        phase == .relaying && request?.forwarding.repetition == .onFreshConnection
            && request?.forwarding.head.isEmpty == false
    }

    /// Through the gate again: if the backend closed the connection because its life is over, the next one answers.
    private mutating func retry() {
        guard let service = request?.service else { preconditionFailure("a backend was asked for nobody") }
        upstreamUse = .spent
        toUpstream.removeAll()
        phase = .acquiringBackend(service)
    }

    // MARK: Kept

    /// What is to be done about the connection, before anything else: the sooner the lease is back, the sooner the idle
    /// clock starts.
    func nextUpstreamStep(client: Readiness, upstream: Readiness) -> Step? {
        // A backend that says something unasked, or ends: neither belongs to the next request.
        let isQuiet = upstream.isDisjoint(with: [.readable, .peerEnded, .broken])
        return switch upstreamUse {
        case .undecided: nil
        case .spent: .releaseUpstream
        case .reusable: isQuiet ? .keepUpstream : .releaseUpstream
        case .kept(let idleUpstream): isAwaited(idleUpstream, by: client) && isQuiet ? nil : .releaseUpstream
        }
    }

    /// A server may have one worker for each connection, and a kept one holds it: so it waits for no slow client.
    private func isAwaited(_ idleUpstream: UpstreamReuse.Spare, by client: Readiness) -> Bool {
        switch phase {
        case .readingHead: inbound.isEmpty
        case .finishing(let keepAlive): keepAlive && client.contains(.writable)
        case .acquiringBackend(let id): id == idleUpstream.service && (request?.mayReuse ?? false)
        // The driver looks itself, because the lease of the new request is held by now.
        case .connecting: true
        default: false
        }
    }

    /// Set while a connection waits for the next request.
    var idleUpstream: UpstreamReuse.Spare? {
        if case .kept(let idleUpstream) = upstreamUse { idleUpstream } else { nil }
    }

    var deadlineBetweenRequests: Deadline { idleUpstream == nil ? .keepAlive : .idleUpstream }

    /// What the answer that has just ended leaves behind: an open connection with nothing on its way in either
    /// direction.
    var idleUpstreamAfterResponse: UpstreamReuse.Spare? {
        guard let request, let response, let service = request.service, let patience = request.forwarding.keepsUpstream,
            response.leavesUpstreamOpen, toUpstream.isEmpty, !upstreamRefusesMore
        else { return nil }
        return .init(service: service, patience: patience)
    }

    /// After `keepUpstream` was performed.
    mutating func keptUpstream() {
        guard case .reusable(let idleUpstream) = upstreamUse else {
            preconditionFailure("kept although it is \(upstreamUse)")
        }
        releasedUpstream()
        upstreamUse = .kept(idleUpstream)
    }

    /// After `releaseUpstream` was performed.
    mutating func releasedUpstream() {
        upstreamUse = .undecided
        upstreamRefusesMore = false
        responseHead = []
        responseParser = ResponseHeadParser()
    }
}

extension ExchangeMachine.RequestInFlight {
    /// Whether it may be sent on a kept connection.
    fileprivate var mayReuse: Bool { forwarding.keepsUpstream != nil && forwarding.isSafe && body.isFinished }
}
