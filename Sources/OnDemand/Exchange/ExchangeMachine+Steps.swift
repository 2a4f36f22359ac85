/// The one step that the driver performs next, as a function of the phase and the readiness of both sockets.
extension ExchangeMachine {
    enum Step: Equatable {
        /// Answered with `admittedToListener` or `reject`.
        case admit
        case enterGate(BackendID)
        /// Answered with `refused(.disabled)`.
        case reject(BackendID)
        case connect(BackendID)
        /// Answer with `served`, `servedStream`, `respond`, `requestAccepted`, or take the connection over.
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

    /// The driver's part of the drain.
    enum DrainOutcome {
        /// No exchange is in progress: the connection closes.
        case close
        /// The start of this backend will not finish.
        case reject(BackendID)
        /// The result that the request waits for will not follow.
        case abandonRequest
        /// The exchange finishes.
        case finish
    }

    /// Returns the step to perform now, given the readiness of the sockets.
    ///
    /// It changes nothing. It is `mutating` because the machine is too large to be copied for every step.
    mutating func next(client: Readiness, upstream: Readiness) -> Step {
        if case .over(let termination, _) = phase { return .terminate(termination) }
        if client.contains(.broken) { return .terminate(isLingering ? .done : .clientReset) }
        if client.contains(.peerEnded), isQueued { return .terminate(.clientLeft) }
        // First of all: the sooner the lease is returned, the sooner the idle timeout starts.
        if self.upstream.reuse != .undecided, let step = nextUpstreamStep(client: client, upstream: upstream) {
            return step
        }
        switch phase {
        case .over: preconditionFailure("handled above")
        case .tunnel: return .openTunnel
        case .admitting: return .admit
        case .acquiringBackend(let request): return .enterGate(request.backend)
        case .rejecting(let id, _): return .reject(id)
        case .connecting(let request): return .connect(request.backend)
        case .local(.serving, let endpoint, _): return .serve(endpoint)
        case .queued, .local(.awaitingReply, _, _), .local(.awaitingResult, _, _), .awaitingConnection: return .rest
        case .readingProxyHeader, .readingHead, .local(.readingBody, _, _), .local(.streaming, _, _), .awaitingResponse,
            .relaying, .finishing, .aborting, .lingering:
            return nextTransfer(client, upstream)
        }
    }

    @inline(__always)
    private mutating func nextTransfer(_ client: Readiness, _ upstream: Readiness) -> Step {
        if !toClient.isEmpty, client.contains(.writable) { return .send(.client) }
        if !toUpstream.isEmpty, upstream.contains(.writable) { return .send(.upstream) }
        if wantsUpstreamBytes, upstream.contains(.readable) { return .receive(.upstream) }
        if wantsClientBytes, client.contains(.readable) { return .receive(.client) }
        guard toClient.isEmpty else { return .rest }
        if case .finishing(_, keepAlive: false) = phase { return .endSendingToClient }
        if case .aborting = phase { return .terminate(.upstreamReset) }
        return .rest
    }

    /// Whether the client has given up: nothing is read from it, it has no response yet, and it has ended its stream.
    @inline(__always)
    private var isQueued: Bool {
        switch phase {
        case .queued, .local(.awaitingResult, _, _): true
        case .awaitingConnection(let request), .awaitingResponse(let request): request.opensWebSocket
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .acquiringBackend, .connecting, .relaying,
            .tunnel, .local, .finishing, .aborting, .lingering, .over:
            false
        }
    }

    @inline(__always)
    private var wantsClientBytes: Bool {
        switch phase {
        case .readingProxyHeader, .readingHead, .local(.readingBody, _, _), .local(.streaming, _, _), .lingering: true
        case .awaitingResponse(let request), .relaying(let request, _):
            bodyIsOpen(of: request) && toUpstream.isEmpty && inbound.isEmpty
        case .admitting, .rejecting, .acquiringBackend, .queued, .connecting, .awaitingConnection, .tunnel, .local,
            .finishing, .aborting, .over:
            false
        }
    }

    @inline(__always)
    private var wantsUpstreamBytes: Bool {
        switch phase {
        case .awaitingResponse, .relaying: toClient.isEmpty
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .acquiringBackend, .queued, .connecting,
            .awaitingConnection, .tunnel, .local, .finishing, .aborting, .lingering, .over:
            false
        }
    }

    @inline(__always)
    func bodyIsOpen(of request: ForwardedRequest) -> Bool { !request.body.isFinished && !upstream.refusesMore }

    // MARK: The use of the backend's connection

    /// Returns the step that ends the use of the connection. It comes before all others: the sooner the lease is
    /// returned, the sooner the idle timeout starts.
    private func nextUpstreamStep(client: Readiness, upstream: Readiness) -> Step? {
        // Unexpected bytes, or an end, do not belong to the next request.
        let isQuiet = upstream.isDisjoint(with: [.readable, .peerEnded, .broken])
        return switch self.upstream.reuse {
        case .undecided: nil
        case .spent: .releaseUpstream
        case .reusable: isQuiet ? .keepUpstream : .releaseUpstream
        case .kept(let idleUpstream): isAwaited(idleUpstream, by: client, isQuiet: isQuiet) ? nil : .releaseUpstream
        }
    }

    /// Whether a kept connection still has a use. A server may dedicate a worker to each connection, so it waits for no
    /// slow client.
    private func isAwaited(_ idleUpstream: UpstreamReuse.Idle, by client: Readiness, isQuiet: Bool) -> Bool {
        switch phase {
        case .readingHead: isQuiet && inbound.isEmpty
        case .finishing(_, let keepAlive): isQuiet && keepAlive && client.contains(.writable)
        case .acquiringBackend(let request):
            isQuiet && request.backend == idleUpstream.service && request.isReusable
        // The driver checks this case, because it holds the lease of the new request by now.
        case .connecting: true
        case .readingProxyHeader, .admitting, .rejecting, .queued, .awaitingConnection, .awaitingResponse, .relaying,
            .tunnel, .local, .aborting, .lingering, .over:
            false
        }
    }
}
