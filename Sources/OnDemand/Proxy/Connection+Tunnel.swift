/// The tunnel relays bytes in both directions and tracks frames without changing them.
///
/// One event calls `take`, which records readiness and calls `relayOnce`:
///
/// - Steady state: one endpoint is readable, one read and one write move everything (`relayOnePiece`).
/// - Otherwise `pumpUp` and `pumpDown` flush pending bytes and read at most `Limits.readsPerTurn` times each.
/// - A frame error ends the tunnel: close code to the client, 1001 or 1011 (RFC 6455, 7.4.1).
/// - A daemon that ends the tunnel sends a close frame between two backend frames, then discards the client's bytes.
///
/// Invariants: bytes after an invalid frame are never forwarded. At most one close frame reaches the client. No backend
/// byte follows the daemon's close frame.
extension Connection {
    enum Progress: Equatable {
        /// Waits for readiness of a socket.
        case rest
        /// The share of this turn is used up. The tunnel continues in the next turn.
        case more
        case over(TerminationReason)
    }

    /// The result of a socket event.
    enum EventOutcome {
        /// The token belongs to an earlier connection of this slot.
        case stale
        /// There is no tunnel yet. The HTTP session handles the event.
        case http
        case relayed(RelayOutcome)
    }

    struct RelayOutcome {
        let progress: Progress
        /// The client sent data through a tunnel that is not counted as a lease.
        let sawClientData: Bool
        let sentClose: Bool
        /// The backend ended without a close frame, and the daemon sent one in its place.
        let backendBroke: Bool
        /// A rare event: changed deadline, protocol violation, exceeded message rate or lost backend.
        let needsAttention: Bool

        static let nothing = RelayOutcome(
            progress: .rest, sawClientData: false, sentClose: false, backendBroke: false, needsAttention: false)

        /// All available bytes were relayed, and the proxy has nothing to do.
        var isUneventful: Bool { progress == .rest && !sawClientData && !sentClose && !needsAttention }
    }

    /// Handles one event of a tunnel in one call. Every message takes this path, and the connection is not copied.
    mutating func take(
        _ readiness: Readiness, for token: Token, through kernel: some Kernel, buffers: inout ReadBuffers,
        traffic: inout [Traffic]
    ) -> EventOutcome {
        if ConnectionToken(token) == .upstream {
            guard upstream != nil, upstream!.number == token.generation else { return .stale }
            upstream!.learn(readiness)
        } else {
            guard generation == token.generation else { return .stale }
            client.learn(readiness)
        }
        guard session == nil else { return .http }
        if isBusy {
            // A busy tunnel is resumed by an event without readiness.
            guard readiness.isEmpty else { return .relayed(.nothing) }
            isBusy = false
        }
        return .relayed(relayOnce(through: kernel, buffers: &buffers, traffic: &traffic))
    }

    /// `traffic` holds the counters of all services by index.
    mutating func relayOnce(through kernel: some Kernel, buffers: inout ReadBuffers, traffic: inout [Traffic])
        -> RelayOutcome
    {
        let spokeBefore = speaksForBackend
        let progress = relay(through: kernel, buffers: &buffers, traffic: &traffic)
        if progress == .more { isBusy = true }
        let sawClientData = hasClientData && isUncounted
        hasClientData = false
        let backendBroke = protocolViolation == nil && !spokeBefore && speaksForBackend
        return RelayOutcome(
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
    mutating func openTunnel(
        _ bytes: TunnelBytes, extensionsNegotiated: Bool, limits: ServiceLimits,
        _ traffic: inout Traffic
    ) {
        session = nil
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
        let early = Self.follow(bytes.earlyFrames.span, &serverFrames, &traffic.fromBackend)
        down.pending.append(bytes.earlyFrames[..<early.count])
        note(early, from: .upstream, &traffic)
        let eager = Self.follow(bytes.toUpstream.span, &clientFrames, &traffic.fromClients)
        up.pending.append(bytes.toUpstream[..<eager.count])
        note(eager, from: .client, &traffic)
    }

    /// Relays in both directions. A limit on reads per turn keeps connections from starving each other.
    private mutating func relay(
        through kernel: some Kernel, buffers: inout ReadBuffers, traffic: inout [Traffic]
    ) -> Progress {
        if closeHandshake.isSent { return finishClose(through: kernel, buffers: &buffers) }
        guard let service = lease?.backend.index else { preconditionFailure("a tunnel without a lease") }
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

    /// Handles the common case: one endpoint is readable, and one read and one write move everything. Returns nil if
    /// more is to be done. Bytes moved before nil stay moved.
    private mutating func relayOnePiece(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ traffic: inout Traffic
    ) -> Progress? {
        guard isSteady, client.hasSomething != upstream!.hasSomething else { return nil }
        if client.hasSomething {
            if let termination = passUp(kernel, &buffers, up.ordinaryRead, &traffic) { return .over(termination) }
        } else if let termination = passDown(kernel, &buffers, down.ordinaryRead, &traffic) {
            return endAfterBackendFailure(termination, kernel, &buffers)
        }
        return isSteady && !client.hasSomething && !upstream!.hasSomething ? .rest : nil
    }

    /// Ends the tunnel after a failure of the upstream, with a close frame to the client if one can be sent.
    private mutating func endAfterBackendFailure(
        _ termination: TerminationReason, _ kernel: some Kernel, _ buffers: inout ReadBuffers
    ) -> Progress {
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
        -> Progress
    {
        if !Self.flush(&up, to: &upstream!, kernel) { stopSending() }
        for position in 0..<Limits.readsPerTurn {
            guard up.wantsToRead, client.readiness.contains(.readable) else { break }
            let room = Self.room(forRead: position, of: up, to: upstream!, kernel)
            if let termination = passUp(kernel, &buffers, room, &traffic) { return .over(termination) }
            if up.readsSmall { break }
        }
        // The close frame that follows the last valid frame.
        if protocolViolation != nil, !Self.flush(&up, to: &upstream!, kernel) { up.pending.removeAll() }
        Self.endSink(of: &up, upstream!, kernel)
        return up.wantsToRead && client.readiness.contains(.readable) ? .more : .rest
    }

    private mutating func pumpDown(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ traffic: inout Traffic
    ) -> Progress {
        if !Self.flush(&down, to: &client, kernel) { return .over(.clientReset) }
        sendCloseIfPossible()
        for position in 0..<Limits.readsPerTurn {
            guard down.wantsToRead, upstream!.readiness.contains(.readable) else { break }
            let room = Self.room(forRead: position, of: down, to: client, kernel)
            if let termination = passDown(kernel, &buffers, room, &traffic) { return .over(termination) }
            sendCloseIfPossible()
            if down.readsSmall { break }
        }
        if up.isFinished, up.sourceEnded, down.wantsToEndSink {
            down.sinkEnded = true  // Both directions have ended: closing the socket sends the FIN.
        } else {
            Self.endSink(of: &down, client, kernel)
        }
        return down.wantsToRead && upstream!.readiness.contains(.readable) ? .more : .rest
    }

    /// Relays one read from the client.
    @inline(__always)
    private mutating func passUp(
        _ kernel: some Kernel, _ buffers: inout ReadBuffers, _ room: Int, _ traffic: inout Traffic
    ) -> TerminationReason? {
        let passed = Self.pass(
            &up, &clientFrames, from: &client, to: &upstream!, kernel, &buffers[room: room], room,
            &traffic.fromClients)
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
        let passed = Self.pass(
            &down, &serverFrames, from: &upstream!, to: &client, kernel, &buffers[room: room], room,
            &traffic.fromBackend)
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
        upstream!.readiness.insert(.readable)
    }

    /// Applies the message rate limit. The clock is read only if a limit is set.
    @inline(__always)
    private mutating func slowDown(_ summary: FrameSummary, _ kernel: some Kernel) {
        guard rateLimiter != nil, summary.frames > 0 else { return }
        let now = kernel.now()
        rateLimiter!.spend(summary.frames, at: now)
        if rateLimiter!.next(after: now) != nil { up.isPaused = true }
    }
}

// MARK: - One direction

extension Connection {
    private enum Passed {
        case piece(Piece)
        case nothing
        case sourceBroken
        case sinkBroken
    }

    /// The result of one read: the number of bytes to forward and a summary of their frames.
    struct Piece {
        let count: Int
        let summary: FrameSummary
        var violation: FrameViolation?
        /// The forwarded bytes end between two frames.
        var endsAtBoundary = true
    }

    /// Returns the maximum size of a read. After `Limits.ordinaryReadsPerTurn` reads it grows to the sink's free space.
    private static func room(forRead position: Int, of pump: RelayDirection, to sink: Endpoint, _ kernel: some Kernel)
        -> Int
    {
        guard position >= Limits.ordinaryReadsPerTurn, !pump.readsSmall else { return pump.ordinaryRead }
        return min(max(kernel.roomToSend(on: sink.descriptor), Limits.readBufferBytes), Limits.largeReadBytes)
    }

    /// Performs one read and one write. Only bytes that the sink does not accept are copied.
    private static func pass(
        _ pump: inout RelayDirection, _ frames: inout FrameTracker?, from source: inout Endpoint,
        to sink: inout Endpoint,
        _ kernel: some Kernel, _ buffers: inout [UInt8], _ room: Int, _ traffic: inout Traffic.Direction
    ) -> Passed {
        switch kernel.receive(from: source.descriptor, into: &buffers, atMost: room) {
        case .bytes(let count):
            source.recordRead(count, of: room)
            let piece = follow(buffers.span.extracting(0..<count), &frames, &traffic)
            let frames = piece.summary.frames
            if frames > Limits.framesPerRead {
                pump.readsSmall = true
            } else if pump.readsSmall {
                pump.readsSmall = Int(frames) * Limits.smallFrameBytes > count
            }
            guard piece.count > 0 else { return .piece(piece) }
            let maySend = sink.readiness.contains(.writable)
            let result =
                maySend ? kernel.send(buffers.span.extracting(0..<piece.count), to: sink.descriptor) : .wouldBlock
            guard let sent = sink.note(result, of: piece.count) else { return .sinkBroken }
            pump.moved &+= UInt32(truncatingIfNeeded: sent)
            if sent < piece.count { pump.pending = ByteQueue(buffers[sent..<piece.count]) }
            return .piece(piece)
        case .wouldBlock:
            source.readiness.remove(.readable)
            return .nothing
        case .ended:
            pump.sourceEnded = true
            return .nothing
        case .failed:
            return .sourceBroken
        }
    }

    /// Writes pending bytes. Returns false if the sink is broken.
    static func flush(_ pump: inout RelayDirection, to sink: inout Endpoint, _ kernel: some Kernel) -> Bool {
        guard pump.wantsToWrite, sink.readiness.contains(.writable) else { return true }
        let result = pump.pending.withSpan { kernel.send($0, to: sink.descriptor) }
        guard let sent = sink.note(result, of: pump.pending.count) else { return false }
        pump.moved &+= UInt32(truncatingIfNeeded: sent)
        pump.pending.removeFirst(sent)
        return true
    }

    static func endSink(of pump: inout RelayDirection, _ sink: Endpoint, _ kernel: some Kernel) {
        guard pump.wantsToEndSink else { return }
        kernel.endSending(on: sink.descriptor)
        pump.sinkEnded = true
    }
}

// MARK: - One endpoint

extension Connection.Endpoint {
    /// A read returns bytes or the end of the stream.
    var hasSomething: Bool { readiness.contains(.readable) }

    /// Clears `readable` after a short read. After the peer's end the socket stays readable until the end is read.
    mutating func recordRead(_ count: Int, of room: Int) {
        if count < room, !readiness.contains(.peerEnded) { readiness.remove(.readable) }
    }

    /// Updates readiness after a write and returns the number of bytes written. nil: the connection is broken.
    mutating func note(_ result: WriteResult, of count: Int) -> Int? {
        switch result {
        case .bytes(let sent):
            if sent < count { readiness.remove(.writable) }
            return sent
        case .wouldBlock:
            readiness.remove(.writable)
            return 0
        case .failed:
            return nil
        }
    }

    mutating func learn(_ more: Readiness) {
        readiness.formUnion(more)
        // The next read returns an error or an end, after all bytes that precede it.
        if !more.isDisjoint(with: [.broken, .peerEnded]) { readiness.insert(.readable) }
        if more.contains(.broken) { readiness.insert(.writable) }
    }
}
