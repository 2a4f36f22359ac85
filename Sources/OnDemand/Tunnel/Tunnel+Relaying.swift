/// The tunnel relays bytes in both directions and tracks frames without changing them.
///
/// One event calls `take`, which records readiness and calls `relayOnce`:
///
/// - Steady state: one side is readable, one read and one write move everything (`relayOnePiece`).
/// - Otherwise `pumpUp` and `pumpDown` flush pending bytes and read at most `Limits.readsPerTurn` times each.
/// - A frame error ends the tunnel: close code to the client, 1001 or 1011 (RFC 6455, 7.4.1).
/// - A daemon that ends the tunnel sends a close frame between two backend frames, then discards the client's bytes.
///
/// Invariants: bytes after an invalid frame are never forwarded. At most one close frame reaches the client. No backend
/// byte follows the daemon's close frame.
extension Tunnel {
    /// Handles one event of a tunnel in one call. Every message takes this path, and the tunnel is not copied.
    mutating func take(
        _ readiness: Readiness, for token: Token, through kernel: some Kernel, buffers: inout ReadBuffers,
        traffic: inout [Traffic]
    ) -> TunnelEventOutcome {
        guard isOpen else { return .noTunnel }
        if ConnectionToken(token) == .upstream {
            guard upstream.number == token.generation else { return .stale }
            upstream.learn(readiness)
        } else {
            guard generation == token.generation else { return .stale }
            client.learn(readiness)
        }
        if isBusy {
            // A busy tunnel is resumed by an event without readiness.
            guard readiness.isEmpty else { return .relayed(.nothing) }
            isBusy = false
        }
        return .relayed(relayOnce(through: kernel, buffers: &buffers, traffic: &traffic))
    }

    /// `traffic` holds the counters of all services by index.
    mutating func relayOnce(through kernel: some Kernel, buffers: inout ReadBuffers, traffic: inout [Traffic])
        -> TunnelOutcome
    {
        let spokeBefore = speaksForBackend
        let progress = relay(through: kernel, buffers: &buffers, traffic: &traffic)
        if progress == .more { isBusy = true }
        let sawClientData = hasClientData && isUncounted
        hasClientData = false
        let backendBroke = protocolViolation == nil && !spokeBefore && speaksForBackend
        return TunnelOutcome(
            progress: progress, sawClientData: sawClientData, sentClose: closeHandshake.isSent,
            backendBroke: backendBroke,
            needsAttention: backendBroke || protocolViolation != nil || up.isPaused || needsTimer)
    }

    /// The client gets a close frame for a failure of the backend.
    @inline(__always)
    private var speaksForBackend: Bool {
        if sentCloseForBackend { return true }
        if case .failed = closeHandshake { return true }
        return false
    }

    /// The close frame of a failed connection is sent and the daemon's direction is shut down.
    var isDiscarding: Bool {
        if case .failed = closeHandshake { down.sinkEnded } else { false }
    }

    /// Starts the tunnel with the bytes that arrived after the heads. Frames are tracked from the first byte.
    mutating func open(
        _ bytes: TunnelBytes, extensionsNegotiated: Bool, limits: ServiceLimits, _ traffic: inout Traffic
    ) {
        rateLimiter = limits.maximumMessageRate.map { RateLimiter(messagesPerSecond: $0) }
        clientFrames = FrameTracker(
            role: .fromClient, maximumMessageBytes: limits.maximumMessageBytes,
            extensionsNegotiated: extensionsNegotiated)
        serverFrames = FrameTracker(
            role: .fromServer, maximumMessageBytes: limits.maximumBackendMessageBytes,
            extensionsNegotiated: extensionsNegotiated)
        traffic.tunnels += 1
        up.pending = bytes.restOfHead
        down.pending = bytes.head
        let early = TunnelDirection.follow(bytes.earlyFrames.span, &serverFrames, &traffic.fromBackend)
        down.pending.append(bytes.earlyFrames[..<early.count])
        note(early, from: .upstream, &traffic)
        let eager = TunnelDirection.follow(bytes.toUpstream.span, &clientFrames, &traffic.fromClients)
        up.pending.append(bytes.toUpstream[..<eager.count])
        note(eager, from: .client, &traffic)
    }

    /// Relays in both directions. A limit on reads per turn keeps connections from starving each other.
    private mutating func relay(
        through kernel: some Kernel, buffers: inout ReadBuffers, traffic: inout [Traffic]
    ) -> RelayProgress {
        if closeHandshake.isSent { return finishClose(through: kernel, buffers: &buffers) }
        precondition(!isReleased, "the backend of a tunnel was released before its close frame")
        let service = lease.backend.index
        if let progress = relayOnePiece(kernel, &buffers, &traffic[service]) { return progress }
        let upward = pumpUp(kernel, &buffers, &traffic[service])
        if case .over = upward { return upward }
        let downward = pumpDown(kernel, &buffers, &traffic[service])
        if case .over(let termination) = downward { return endAfterBackendFailure(termination, kernel, &buffers) }
        if closeHandshake.isSent { return finishClose(through: kernel, buffers: &buffers) }
        let isFinished = up.isFinished && down.isFinished
        if isFinished, up.sourceEnded || !sentCloseForBackend { return .over(.done) }
        if isFinished || backendIsGone && down.pending.isEmpty && downward == .rest {
            // A client that was sent a close frame for its backend gets the usual close timeout.
            if sentCloseForBackend { closeHandshake = .sent }
            return sentCloseForBackend || sendCloseAfterBackendFailure()
                ? finishClose(through: kernel, buffers: &buffers) : .over(.backendGone)
        }
        return upward == .more || downward == .more ? .more : .rest
    }

    /// Handles the common case: one side is readable, and one read and one write move everything. Returns nil if
    /// more is to be done. Bytes moved before nil stay moved.
    private mutating func relayOnePiece(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ traffic: inout Traffic
    ) -> RelayProgress? {
        guard isSteady, client.hasSomething != upstream.hasSomething else { return nil }
        if client.hasSomething {
            if let termination = passUp(kernel, &buffers, up.ordinaryRead, &traffic) { return .over(termination) }
        } else if let termination = passDown(kernel, &buffers, down.ordinaryRead, &traffic) {
            return endAfterBackendFailure(termination, kernel, &buffers)
        }
        return isSteady && !client.hasSomething && !upstream.hasSomething ? .rest : nil
    }

    /// Ends the tunnel after a failure of the upstream, with a close frame to the client if one can be sent.
    private mutating func endAfterBackendFailure(
        _ termination: TerminationReason, _ kernel: some Kernel, _ buffers: inout ReadBuffers
    ) -> RelayProgress {
        closeHandshake.isSent || termination == .clientReset || !sendCloseAfterBackendFailure()
            ? .over(termination) : finishClose(through: kernel, buffers: &buffers)
    }

    /// No bytes are pending, no close handshake runs, and no rate limit applies.
    @inline(__always)
    private var isSteady: Bool {
        guard case .none = closeHandshake else { return false }
        return up.isFlowing && down.isFlowing && rateLimiter == nil && !backendIsGone && !sentCloseForBackend
    }

    private mutating func pumpUp(_ kernel: some Kernel, _ buffers: inout ReadBuffers, _ traffic: inout Traffic)
        -> RelayProgress
    {
        if !up.flush(to: &upstream, kernel) { stopSending() }
        for position in 0..<Limits.readsPerTurn {
            guard up.wantsToRead, client.readiness.contains(.readable) else { break }
            let room = up.room(forRead: position, to: upstream, kernel)
            if let termination = passUp(kernel, &buffers, room, &traffic) { return .over(termination) }
            if up.readsSmall { break }
        }
        // The close frame that follows the last valid frame.
        if protocolViolation != nil, !up.flush(to: &upstream, kernel) { up.pending.removeAll() }
        up.endSink(upstream, kernel)
        return up.wantsToRead && client.readiness.contains(.readable) ? .more : .rest
    }

    private mutating func pumpDown(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ traffic: inout Traffic
    ) -> RelayProgress {
        if !down.flush(to: &client, kernel) { return .over(.clientReset) }
        sendCloseIfPossible()
        for position in 0..<Limits.readsPerTurn {
            guard down.wantsToRead, upstream.readiness.contains(.readable) else { break }
            let room = down.room(forRead: position, to: client, kernel)
            if let termination = passDown(kernel, &buffers, room, &traffic) { return .over(termination) }
            sendCloseIfPossible()
            if down.readsSmall { break }
        }
        if up.isFinished, up.sourceEnded, down.wantsToEndSink {
            down.sinkEnded = true  // Both directions have ended: closing the socket sends the FIN.
        } else {
            down.endSink(client, kernel)
        }
        return down.wantsToRead && upstream.readiness.contains(.readable) ? .more : .rest
    }

    /// Relays one read from the client.
    @inline(__always)
    private mutating func passUp(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ room: Int, _ traffic: inout Traffic
    ) -> TerminationReason? {
        let passed = up.pass(
            &clientFrames, from: &client, to: &upstream, kernel, &buffers[room: room], room, &traffic.fromClients)
        switch passed {
        case .piece(let piece):
            note(piece, from: .client, &traffic)
            slowDown(piece.summary, kernel)
        case .nothing: break
        case .sourceBroken: return .clientReset
        case .sinkBroken: stopSending()
        }
        return nil
    }

    /// Relays one read from the backend.
    @inline(__always)
    private mutating func passDown(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ room: Int, _ traffic: inout Traffic
    ) -> TerminationReason? {
        let passed = down.pass(
            &serverFrames, from: &upstream, to: &client, kernel, &buffers[room: room], room, &traffic.fromBackend)
        switch passed {
        case .piece(let piece):
            note(piece, from: .upstream, &traffic)
            // A close frame cannot be sent in the middle of a frame.
            if protocolViolation?.side == .upstream, !closeHandshake.isSent { return .upstreamReset }
        case .nothing: if down.sourceEnded { endForBackend(kernel) }
        case .sourceBroken: return .upstreamReset
        case .sinkBroken: return .clientReset
        }
        return nil
    }

    /// The backend accepts no more bytes. Bytes it sent earlier are still read.
    private mutating func stopSending() {
        up.pending.removeAll()
        up.sinkEnded = true
        backendIsGone = true
        upstream.readiness.insert(.readable)
    }

    /// Applies the message rate limit. The clock is read only if a limit is set.
    @inline(__always)
    private mutating func slowDown(_ summary: FrameSummary, _ kernel: some Kernel) {
        guard rateLimiter != nil, summary.frames > 0 else { return }
        let now = kernel.now()
        rateLimiter!.spend(summary.frames, at: now)
        if rateLimiter!.next(after: now) != nil { up.pause() }
    }
}
