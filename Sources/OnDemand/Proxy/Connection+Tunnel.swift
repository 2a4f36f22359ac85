/// The tunnel: bytes move in both directions, frames are followed and never touched, and the daemon can take its leave.
extension Connection {
    enum Progress: Equatable {
        /// Nothing more to do until a socket says so.
        case rest
        /// This turn's share is used up.
        case more
        case over(TerminationReason)
    }

    /// What an event of one of its sockets came to.
    enum EventOutcome {
        /// The socket is not this link's any more.
        case stale
        /// There is no tunnel yet; the conversation goes on.
        case http
        case relayed(RelayOutcome)
    }

    struct RelayOutcome {
        let progress: Progress
        /// The client sent data through a tunnel that only that keeps a backend awake for.
        let sawClientData: Bool
        let sentClose: Bool
        /// The backend has ended without a close frame, and the client is told so in its place.
        let backendBroke: Bool
        /// Something rare: another deadline counts, a rule was broken, a client is too fast, a backend broke off.
        let needsAttention: Bool

        static let nothing = RelayOutcome(
            progress: .rest, sawClientData: false, sentClose: false, backendBroke: false, needsAttention: false)

        /// What could be moved has moved, and nobody else needs to know.
        var isUneventful: Bool { progress == .rest && !sawClientData && !sentClose && !needsAttention }
    }

    /// All that an event means for a tunnel, in one call: this is the way of every message, and the link stays where it
    /// is meanwhile.
    mutating func take(
        _ readiness: Readiness, for token: Token, through kernel: some Kernel, buffers: inout ReadBuffers,
        traffic: inout [Traffic]
    ) -> EventOutcome {
        if token.role == .upstream {
            guard upstream != nil, upstream!.number == token.generation else { return .stale }
            upstream!.learn(readiness)
        } else {
            guard generation == token.generation else { return .stale }
            client.learn(readiness)
        }
        guard session == nil else { return .http }
        if isBusy {
            // It has its share when it is resumed, which comes without readiness.
            guard readiness.isEmpty else { return .relayed(.nothing) }
            isBusy = false
        }
        return .relayed(relayOnce(through: kernel, buffers: &buffers, traffic: &traffic))
    }

    /// `traffic` is that of all services, by their index.
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
            progress: progress, sawClientData: sawClientData, sentClose: closeHandshake.isSaid,
            backendBroke: backendBroke,
            needsAttention: backendBroke || protocolViolation != nil || up.isPaused || needsTimer)
    }

    /// The client is told of a failure that is not its own.
    @inline(__always)
    private var speaksForBackend: Bool {
        if sentCloseForBackend { return true }
        if case .failed = closeHandshake { return true }
        return false
    }

    /// The close frame of a failed connection is with the system, and our end behind it.
    var isDiscarding: Bool {
        if case .failed = closeHandshake { down.sinkEnded } else { false }
    }

    /// What came in one piece with the heads goes first, and is followed from its first byte.
    mutating func openTunnel(
        _ bytes: ExchangeMachine.TunnelBytes, extensionsNegotiated: Bool, limits: ServiceLimits,
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

    /// Moves what can be moved in both directions; reads are shared out so that nobody starves.
    private mutating func relay(
        through kernel: some Kernel, buffers: inout ReadBuffers, traffic: inout [Traffic]
    ) -> Progress {
        if closeHandshake.isSaid { return finishClose(through: kernel, buffers: &buffers) }
        guard let service = lease?.backend.index else { preconditionFailure("a tunnel without a lease") }
        if let progress = relayOnePiece(kernel, &buffers, &traffic[service]) { return progress }
        let upward = pumpUp(kernel, &buffers, &traffic[service])
        if case .over = upward { return upward }
        let downward = pumpDown(kernel, &buffers, &traffic[service])
        if case .over(let termination) = downward { return endAfterBackendFailure(termination, kernel, &buffers) }
        if closeHandshake.isSaid { return finishClose(through: kernel, buffers: &buffers) }
        let isFinished = up.isFinished && down.isFinished
        if isFinished, up.sourceEnded || !sentCloseForBackend { return .over(.done) }
        if isFinished || backendIsGone && down.pending.isEmpty && downward == .rest {
            // Who was told in the backend's name has the same moment to answer as all others.
            if sentCloseForBackend { closeHandshake = .said }
            return sentCloseForBackend || sendCloseAfterBackendFailure()
                ? finishClose(through: kernel, buffers: &buffers) : .over(.backendGone)
        }
        return upward == .more || downward == .more ? .more : .rest
    }

    /// Nearly every event: one side has spoken, all of it is read and taken at once, and nothing else is going on. nil
    /// when there is more to see to; what has been done by then stays done.
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

    /// The backend's connection is of no use any more; its client is told so where that can be said.
    private mutating func endAfterBackendFailure(
        _ termination: TerminationReason, _ kernel: some Kernel, _ buffers: inout ReadBuffers
    ) -> Progress {
        closeHandshake.isSaid || termination == .clientReset || !sendCloseAfterBackendFailure()
            ? .over(termination) : finishClose(through: kernel, buffers: &buffers)
    }

    /// Nothing waits, nobody leaves, and nobody is too fast.
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
        // The close frame behind the last valid one.
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
            down.sinkEnded = true  // Both are over, and closing says so, too.
        } else {
            Self.endSink(of: &down, client, kernel)
        }
        return down.wantsToRead && upstream!.readiness.contains(.readable) ? .more : .rest
    }

    /// One read of what the client says, and what follows from it.
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

    /// One read of what the backend says, and what follows from it.
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
            // In the middle of a frame nothing can be said any more.
            if protocolViolation?.side == .upstream, !closeHandshake.isSaid { return .upstreamReset }
        case .nothing: if down.sourceEnded { endForBackend(kernel) }
        case .sourceBroken: return .upstreamReset
        case .sinkBroken: return .clientReset
        }
        return nil
    }

    /// The backend takes nothing more; what it has said before is still to be read.
    private mutating func stopSending() {
        up.pending.removeAll()
        up.sinkEnded = true
        backendIsGone = true
        upstream!.readiness.insert(.readable)
    }

    /// Only where a pace is set is the clock looked at.
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

    /// What was read in one go: how much of it may travel on, and what it held.
    private struct Piece {
        let count: Int
        let summary: FrameSummary
        var violation: FrameViolation?
        /// Whether what may travel on ends between two frames.
        var endsAtBoundary = true
    }

    /// How much is read at most: after some reads that the sink took whole, as much as it takes at once.
    private static func room(forRead position: Int, of pump: RelayDirection, to sink: Endpoint, _ kernel: some Kernel)
        -> Int
    {
        guard position >= Limits.ordinaryReadsPerTurn, !pump.readsSmall else { return pump.ordinaryRead }
        return min(max(kernel.roomToSend(on: sink.descriptor), Limits.readBufferBytes), Limits.largeReadBytes)
    }

    /// One read, and at once one write: only what the sink does not take is copied.
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

    /// False when the sink is broken.
    private static func flush(_ pump: inout RelayDirection, to sink: inout Endpoint, _ kernel: some Kernel) -> Bool {
        guard pump.wantsToWrite, sink.readiness.contains(.writable) else { return true }
        let result = pump.pending.withSpan { kernel.send($0, to: sink.descriptor) }
        guard let sent = sink.note(result, of: pump.pending.count) else { return false }
        pump.moved &+= UInt32(truncatingIfNeeded: sent)
        pump.pending.removeFirst(sent)
        return true
    }

    private static func endSink(of pump: inout RelayDirection, _ sink: Endpoint, _ kernel: some Kernel) {
        guard pump.wantsToEndSink else { return }
        kernel.endSending(on: sink.descriptor)
        pump.sinkEnded = true
    }
}

// MARK: - Frames

extension Connection {
    /// How much of this may travel on. Of a frame that breaks the rules nothing does, except for what of its header
    /// came in an earlier read.
    private static func follow(
        _ bytes: Span<UInt8>, _ frames: inout FrameTracker?, _ traffic: inout Traffic.Direction
    ) -> Piece {
        guard frames != nil else { return Piece(count: 0, summary: FrameSummary()) }
        let beganAtBoundary = frames!.isAtBoundary
        do throws(FrameError) {
            let summary = try frames!.advance(bytes)
            traffic.add(summary, bytes: bytes.count)
            return Piece(count: bytes.count, summary: summary)
        } catch {
            frames = nil
            traffic.add(error.summaryBefore, bytes: error.validPrefix)
            return Piece(
                count: error.validPrefix, summary: error.summaryBefore, violation: error.violation,
                endsAtBoundary: beganAtBoundary || error.validPrefix > 0)
        }
    }

    @inline(__always)
    private mutating func note(_ piece: Piece, from side: Peer, _ traffic: inout Traffic) {
        if let code = piece.summary.closeCode { traffic.countClose(code.number) }
        if side == .client, piece.summary.dataFrameBegan { hasClientData = true }
        guard let violation = piece.violation else { return }
        // Where both sides break the rules, the first of them is what the tunnel fails of.
        protocolViolation = protocolViolation ?? ProtocolViolation(side: side, violation: violation)
        switch side {
        case .client: endClient(violation, atBoundary: piece.endsAtBoundary)
        case .upstream: endBackend(violation, atBoundary: piece.endsAtBoundary)
        }
    }

    /// The client is told why, and the backend that its client is going.
    private mutating func endClient(_ violation: FrameViolation, atBoundary: Bool) {
        // Whom nobody reads needs no mask that cannot be guessed: what is masked here is ours (RFC 6455, 10.3).
        if atBoundary { up.pending.append(FrameWriter.close(.goingAway, key: MaskingKey(0, 0, 0, 0))) }
        up.sourceEnded = true
        if !closeHandshake.isSaid { closeHandshake = .wanted(violation.closeCode) }
    }

    /// To its client a backend that breaks the rules is a server with an unexpected condition (RFC 6455, 7.4.1).
    private mutating func endBackend(_ violation: FrameViolation, atBoundary: Bool) {
        down.sourceEnded = true
        guard atBoundary else { return }
        down.pending.append(FrameWriter.close(.internalError))
        closeHandshake = .init(saying: .internalError)
    }
}

extension Traffic.Direction {
    fileprivate mutating func add(_ summary: FrameSummary, bytes count: Int) {
        bytes &+= UInt64(count)
        frames &+= UInt64(summary.frames)
        messages &+= UInt64(summary.messages)
        pings &+= UInt64(summary.pings)
        pongs &+= UInt64(summary.pongs)
    }
}

// MARK: - Taking leave

extension Connection {
    /// Ends the tunnel with a close frame, now or as soon as the backend's current frame is through.
    mutating func closeTunnels(_ code: CloseCode) {
        guard !closeHandshake.isSaid else { return }
        // A connection that is about to be failed is failed.
        if case .wanted(let earlier) = closeHandshake, earlier.failsConnection { return sendCloseIfPossible() }
        closeHandshake = .wanted(code)
        sendCloseIfPossible()
    }

    /// A close frame in the middle of another frame would be read as part of its payload.
    private mutating func sendCloseIfPossible() {
        guard case .wanted(let code) = closeHandshake, let serverFrames, serverFrames.isAtBoundary else { return }
        // Who has said goodbye already needs no second one (RFC 6455, 5.5.1).
        if !serverFrames.hasSeenClose, !sentCloseForBackend {
            down.pending.append(FrameWriter.close(code, reason: protocolViolation?.violation.reason ?? ""))
        }
        closeHandshake = .init(saying: code)
        down.sourceEnded = true
    }

    /// A backend that broke off has said no goodbye: we say it, where it can be read as one (RFC 6455, 7.4.1).
    private mutating func sendCloseAfterBackendFailure() -> Bool {
        guard !down.sourceEnded, sendCloseForBackend() else { return false }
        down.sourceEnded = true
        closeHandshake = .failed(discarded: 0)
        return true
    }

    /// An end without a goodbye that the client has not asked for, most often that of a process that has crashed. What
    /// the client says goes up as before, in case somebody still reads it.
    private mutating func endForBackend(_ kernel: some Kernel) {
        guard !up.sourceEnded, clientFrames?.hasSeenClose == false, sendCloseForBackend() else { return }
        sentCloseForBackend = true
        if !Self.flush(&down, to: &client, kernel) { down.pending.removeAll() }
    }

    /// 1011 and not 1012: whether the backend comes back is for its next client to decide. Who was to be told something
    /// else in a moment is told that.
    private mutating func sendCloseForBackend() -> Bool {
        guard let serverFrames, serverFrames.isAtBoundary, !serverFrames.hasSeenClose else { return false }
        switch closeHandshake {
        case .none: down.pending.append(FrameWriter.close(.internalError))
        case .planned(let code): down.pending.append(FrameWriter.close(code))
        case .wanted, .said, .failed: return false
        }
        return true
    }

    /// The close frame goes out; what the client still sends is discarded until it has answered or gone.
    ///
    /// Of a failed connection the server ends its direction first and at once (RFC 6455, 7.1.1). Closing it at once
    /// would destroy the close frame where the client has sent more: the system answers bytes that nobody reads with a
    /// reset.
    private mutating func finishClose(through kernel: some Kernel, buffers: inout ReadBuffers) -> Progress {
        guard Self.flush(&down, to: &client, kernel) else { return .over(.clientReset) }
        if case .failed = closeHandshake { Self.endSink(of: &down, client, kernel) }
        for _ in 0..<Limits.readsPerTurn {
            guard client.readiness.contains(.readable) else { return .rest }
            switch kernel.receive(from: client.descriptor, into: &buffers.ordinary) {
            case .bytes(let count):
                client.recordRead(count, of: buffers.ordinary.count)
                if case .failed(let discarded) = closeHandshake {
                    let more = (count + 1023) / 1024
                    guard Int(discarded) + more <= Limits.discardedKibibytes else { return .over(.closeHandshake) }
                    closeHandshake = .failed(discarded: discarded + UInt16(more))
                }
                var ignored = Traffic.Direction()
                _ = Self.follow(buffers.ordinary.span.extracting(0..<count), &clientFrames, &ignored)
                // Of one who broke the rules nothing is read any more; its end, or the timer, is awaited.
                if down.pending.isEmpty, clientFrames?.hasSeenClose ?? false { return .over(.closeHandshake) }
            case .wouldBlock: client.readiness.remove(.readable)
            case .ended, .failed: return .over(.closeHandshake)
            }
        }
        return .more
    }
}

// MARK: - One end

extension Connection.Endpoint {
    /// There is something to read, or an end to learn of.
    var hasSomething: Bool { readiness.contains(.readable) }

    /// A short read means drained, unless the peer has ended: then the end itself is still to be read.
    mutating func recordRead(_ count: Int, of room: Int) {
        if count < room, !readiness.contains(.peerEnded) { readiness.remove(.readable) }
    }

    /// How much was taken; nil when the connection is broken.
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
        // An error or a full close shows itself in the next read, behind whatever came before it.
        if !more.isDisjoint(with: [.broken, .peerEnded]) { readiness.insert(.readable) }
        if more.contains(.broken) { readiness.insert(.writable) }
    }
}
