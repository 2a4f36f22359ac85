/// The tunnel: bytes move in both directions, frames are followed and never touched, and the daemon can take its leave.
extension Link {
    enum Progress: Equatable {
        /// Nothing more to do until a socket says so.
        case rest
        /// This turn's share is used up.
        case more
        case over(Hangup)
    }

    /// What an event of one of its sockets came to.
    enum News {
        /// The socket is not this link's any more.
        case stale
        /// There is no tunnel yet; the conversation goes on.
        case conversing
        case relayed(Turn)
    }

    struct Turn {
        let progress: Progress
        /// The client sent data through a tunnel that only that keeps a backend awake for.
        let clientSpoke: Bool
        let saidFarewell: Bool
        /// The backend has ended without a close frame, and the client is told so in its place.
        let backendBroke: Bool
        /// Something rare: another deadline counts, a rule was broken, a client is too fast, a backend broke off.
        let needsCare: Bool

        static let nothing = Turn(
            progress: .rest, clientSpoke: false, saidFarewell: false, backendBroke: false, needsCare: false)

        /// What could be moved has moved, and nobody else needs to know.
        var isUneventful: Bool { progress == .rest && !clientSpoke && !saidFarewell && !needsCare }
    }

    /// All that an event means for a tunnel, in one call: this is the way of every message, and the link stays where it
    /// is meanwhile.
    mutating func take(
        _ readiness: Readiness, for token: Token, through kernel: some Kernel, scratch: inout Scratch,
        traffic: inout [Traffic]
    ) -> News {
        if token.role == .upstream {
            guard upstream != nil, upstream!.number == token.generation else { return .stale }
            upstream!.learn(readiness)
        } else {
            guard generation == token.generation else { return .stale }
            client.learn(readiness)
        }
        guard conversation == nil else { return .conversing }
        if isBusy {
            // It has its share when it is resumed, which comes without readiness.
            guard readiness.isEmpty else { return .relayed(.nothing) }
            isBusy = false
        }
        return .relayed(turn(through: kernel, scratch: &scratch, traffic: &traffic))
    }

    /// `traffic` is that of all services, by their index.
    mutating func turn(through kernel: some Kernel, scratch: inout Scratch, traffic: inout [Traffic]) -> Turn {
        let spokeBefore = speaksForBackend
        let progress = relay(through: kernel, scratch: &scratch, traffic: &traffic)
        if progress == .more { isBusy = true }
        let clientSpoke = hasClientData && isDormant
        hasClientData = false
        let backendBroke = offence == nil && !spokeBefore && speaksForBackend
        return Turn(
            progress: progress, clientSpoke: clientSpoke, saidFarewell: farewell.isSaid, backendBroke: backendBroke,
            needsCare: backendBroke || offence != nil || up.isHeldBack || needsTimer)
    }

    /// The client is told of a failure that is not its own.
    @inline(__always)
    private var speaksForBackend: Bool {
        if spokeForBackend { return true }
        if case .failed = farewell { return true }
        return false
    }

    /// The close frame of a failed connection is with the system, and our end behind it.
    var isDiscarding: Bool {
        if case .failed = farewell { down.sinkEnded } else { false }
    }

    /// What came in one piece with the heads goes first, and is followed from its first byte.
    mutating func openTunnel(
        _ bytes: ExchangeMachine.TunnelBytes, extensionsNegotiated: Bool, limits: ServiceLimits,
        _ traffic: inout Traffic
    ) {
        conversation = nil
        pace = limits.maximumMessageRate.map { Pace(messagesPerSecond: $0) }
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
        through kernel: some Kernel, scratch: inout Scratch, traffic: inout [Traffic]
    ) -> Progress {
        if farewell.isSaid { return finishFarewell(through: kernel, scratch: &scratch) }
        guard let service = lease?.backend.index else { preconditionFailure("a tunnel without a lease") }
        if let progress = relayOnePiece(kernel, &scratch, &traffic[service]) { return progress }
        let upward = pumpUp(kernel, &scratch, &traffic[service])
        if case .over = upward { return upward }
        let downward = pumpDown(kernel, &scratch, &traffic[service])
        if case .over(let hangup) = downward { return breakOff(hangup, kernel, &scratch) }
        if farewell.isSaid { return finishFarewell(through: kernel, scratch: &scratch) }
        let isFinished = up.isFinished && down.isFinished
        if isFinished, up.sourceEnded || !spokeForBackend { return .over(.done) }
        if isFinished || backendIsGone && down.pending.isEmpty && downward == .rest {
            // Who was told in the backend's name has the same moment to answer as all others.
            if spokeForBackend { farewell = .said }
            return spokeForBackend || sayThatBackendBroke()
                ? finishFarewell(through: kernel, scratch: &scratch) : .over(.backendGone)
        }
        return upward == .more || downward == .more ? .more : .rest
    }

    /// Nearly every event: one side has spoken, all of it is read and taken at once, and nothing else is going on. nil
    /// when there is more to see to; what has been done by then stays done.
    private mutating func relayOnePiece(
        _ kernel: some Kernel, _ scratch: inout Scratch, _ traffic: inout Traffic
    ) -> Progress? {
        guard isUntroubled, client.hasSomething != upstream!.hasSomething else { return nil }
        if client.hasSomething {
            if let hangup = passUp(kernel, &scratch, up.ordinaryRead, &traffic) { return .over(hangup) }
        } else if let hangup = passDown(kernel, &scratch, down.ordinaryRead, &traffic) {
            return breakOff(hangup, kernel, &scratch)
        }
        return isUntroubled && !client.hasSomething && !upstream!.hasSomething ? .rest : nil
    }

    /// The backend's connection is of no use any more; its client is told so where that can be said.
    private mutating func breakOff(_ hangup: Hangup, _ kernel: some Kernel, _ scratch: inout Scratch) -> Progress {
        farewell.isSaid || hangup == .clientReset || !sayThatBackendBroke()
            ? .over(hangup) : finishFarewell(through: kernel, scratch: &scratch)
    }

    /// Nothing waits, nobody leaves, and nobody is too fast.
    @inline(__always)
    private var isUntroubled: Bool {
        guard case .none = farewell else { return false }
        return up.isFlowing && down.isFlowing && pace == nil && !backendIsGone && !spokeForBackend
    }

    private mutating func pumpUp(_ kernel: some Kernel, _ scratch: inout Scratch, _ traffic: inout Traffic) -> Progress
    {
        if !Self.flush(&up, to: &upstream!, kernel) { stopSending() }
        for position in 0..<Limits.readsPerTurn {
            guard up.wantsToRead, client.readiness.contains(.readable) else { break }
            let room = Self.room(forRead: position, of: up, to: upstream!, kernel)
            if let hangup = passUp(kernel, &scratch, room, &traffic) { return .over(hangup) }
            if up.readsSmall { break }
        }
        // The close frame behind the last valid one.
        if offence != nil, !Self.flush(&up, to: &upstream!, kernel) { up.pending.removeAll() }
        Self.endSink(of: &up, upstream!, kernel)
        return up.wantsToRead && client.readiness.contains(.readable) ? .more : .rest
    }

    private mutating func pumpDown(
        _ kernel: some Kernel, _ scratch: inout Scratch, _ traffic: inout Traffic
    ) -> Progress {
        if !Self.flush(&down, to: &client, kernel) { return .over(.clientReset) }
        takeLeaveIfPossible()
        for position in 0..<Limits.readsPerTurn {
            guard down.wantsToRead, upstream!.readiness.contains(.readable) else { break }
            let room = Self.room(forRead: position, of: down, to: client, kernel)
            if let hangup = passDown(kernel, &scratch, room, &traffic) { return .over(hangup) }
            takeLeaveIfPossible()
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
        _ kernel: some Kernel, _ scratch: inout Scratch, _ room: Int, _ traffic: inout Traffic
    ) -> Hangup? {
        let passed = Self.pass(
            &up, &clientFrames, from: &client, to: &upstream!, kernel, &scratch[room: room], room,
            &traffic.fromClients)
        switch passed {
        case .piece(let piece):
            note(piece, from: .client, &traffic)
            slowDown(piece.news, kernel)
        case .nothing: break
        case .sourceBroken: return .clientReset
        case .sinkBroken: stopSending()
        }
        return nil
    }

    /// One read of what the backend says, and what follows from it.
    @inline(__always)
    private mutating func passDown(
        _ kernel: some Kernel, _ scratch: inout Scratch, _ room: Int, _ traffic: inout Traffic
    ) -> Hangup? {
        let passed = Self.pass(
            &down, &serverFrames, from: &upstream!, to: &client, kernel, &scratch[room: room], room,
            &traffic.fromBackend)
        switch passed {
        case .piece(let piece):
            note(piece, from: .upstream, &traffic)
            // In the middle of a frame nothing can be said any more.
            if offence?.side == .upstream, !farewell.isSaid { return .upstreamReset }
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
    private mutating func slowDown(_ news: FrameNews, _ kernel: some Kernel) {
        guard pace != nil, news.frames > 0 else { return }
        let now = kernel.now()
        pace!.spend(news.frames, at: now)
        if pace!.next(after: now) != nil { up.isHeldBack = true }
    }
}

// MARK: - One direction

extension Link {
    private enum Passed {
        case piece(Piece)
        case nothing
        case sourceBroken
        case sinkBroken
    }

    /// What was read in one go: how much of it may travel on, and what it held.
    private struct Piece {
        let count: Int
        let news: FrameNews
        var violation: FrameViolation?
        /// Whether what may travel on ends between two frames.
        var endsAtBoundary = true
    }

    /// How much is read at most: after some reads that the sink took whole, as much as it takes at once.
    private static func room(forRead position: Int, of pump: Pump, to sink: End, _ kernel: some Kernel) -> Int {
        guard position >= Limits.ordinaryReadsPerTurn, !pump.readsSmall else { return pump.ordinaryRead }
        return min(max(kernel.roomToSend(on: sink.descriptor), Limits.scratchBytes), Limits.largeReadBytes)
    }

    /// One read, and at once one write: only what the sink does not take is copied.
    private static func pass(
        _ pump: inout Pump, _ frames: inout FrameTracker?, from source: inout End, to sink: inout End,
        _ kernel: some Kernel, _ scratch: inout [UInt8], _ room: Int, _ traffic: inout Traffic.Direction
    ) -> Passed {
        switch kernel.receive(from: source.descriptor, into: &scratch, atMost: room) {
        case .bytes(let count):
            source.noteRead(count, of: room)
            let piece = follow(scratch.span.extracting(0..<count), &frames, &traffic)
            let frames = piece.news.frames
            if frames > Limits.framesPerRead {
                pump.readsSmall = true
            } else if pump.readsSmall {
                pump.readsSmall = Int(frames) * Limits.smallFrameBytes > count
            }
            guard piece.count > 0 else { return .piece(piece) }
            let maySend = sink.readiness.contains(.writable)
            let result =
                maySend ? kernel.send(scratch.span.extracting(0..<piece.count), to: sink.descriptor) : .wouldBlock
            guard let sent = sink.note(result, of: piece.count) else { return .sinkBroken }
            pump.moved &+= UInt32(truncatingIfNeeded: sent)
            if sent < piece.count { pump.pending = ByteQueue(scratch[sent..<piece.count]) }
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
    private static func flush(_ pump: inout Pump, to sink: inout End, _ kernel: some Kernel) -> Bool {
        guard pump.wantsToWrite, sink.readiness.contains(.writable) else { return true }
        let result = pump.pending.withSpan { kernel.send($0, to: sink.descriptor) }
        guard let sent = sink.note(result, of: pump.pending.count) else { return false }
        pump.moved &+= UInt32(truncatingIfNeeded: sent)
        pump.pending.removeFirst(sent)
        return true
    }

    private static func endSink(of pump: inout Pump, _ sink: End, _ kernel: some Kernel) {
        guard pump.wantsToEndSink else { return }
        kernel.endSending(on: sink.descriptor)
        pump.sinkEnded = true
    }
}

// MARK: - Frames

extension Link {
    /// How much of this may travel on. Of a frame that breaks the rules nothing does, except for what of its header
    /// came in an earlier read.
    private static func follow(
        _ bytes: Span<UInt8>, _ frames: inout FrameTracker?, _ traffic: inout Traffic.Direction
    ) -> Piece {
        guard frames != nil else { return Piece(count: 0, news: FrameNews()) }
        let beganAtBoundary = frames!.isAtBoundary
        do throws(FrameError) {
            let news = try frames!.advance(bytes)
            traffic.add(news, bytes: bytes.count)
            return Piece(count: bytes.count, news: news)
        } catch {
            frames = nil
            traffic.add(error.newsBefore, bytes: error.validPrefix)
            return Piece(
                count: error.validPrefix, news: error.newsBefore, violation: error.violation,
                endsAtBoundary: beganAtBoundary || error.validPrefix > 0)
        }
    }

    @inline(__always)
    private mutating func note(_ piece: Piece, from side: Side, _ traffic: inout Traffic) {
        if let code = piece.news.closeCode { traffic.noteClose(code.number) }
        if side == .client, piece.news.dataFrameBegan { hasClientData = true }
        guard let violation = piece.violation else { return }
        // Where both sides break the rules, the first of them is what the tunnel fails of.
        offence = offence ?? Offence(side: side, violation: violation)
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
        if !farewell.isSaid { farewell = .wanted(violation.closeCode) }
    }

    /// To its client a backend that breaks the rules is a server with an unexpected condition (RFC 6455, 7.4.1).
    private mutating func endBackend(_ violation: FrameViolation, atBoundary: Bool) {
        down.sourceEnded = true
        guard atBoundary else { return }
        down.pending.append(FrameWriter.close(.internalError))
        farewell = .init(saying: .internalError)
    }
}

extension Traffic.Direction {
    fileprivate mutating func add(_ news: FrameNews, bytes count: Int) {
        bytes &+= UInt64(count)
        frames &+= UInt64(news.frames)
        messages &+= UInt64(news.messages)
        pings &+= UInt64(news.pings)
        pongs &+= UInt64(news.pongs)
    }
}

// MARK: - Taking leave

extension Link {
    /// Ends the tunnel with a close frame, now or as soon as the backend's current frame is through.
    mutating func takeLeave(_ code: CloseCode) {
        guard !farewell.isSaid else { return }
        // A connection that is about to be failed is failed.
        if case .wanted(let earlier) = farewell, earlier.failsConnection { return takeLeaveIfPossible() }
        farewell = .wanted(code)
        takeLeaveIfPossible()
    }

    /// A close frame in the middle of another frame would be read as part of its payload.
    private mutating func takeLeaveIfPossible() {
        guard case .wanted(let code) = farewell, let serverFrames, serverFrames.isAtBoundary else { return }
        // Who has said goodbye already needs no second one (RFC 6455, 5.5.1).
        if !serverFrames.hasSeenClose, !spokeForBackend {
            down.pending.append(FrameWriter.close(code, reason: offence?.violation.reason ?? ""))
        }
        farewell = .init(saying: code)
        down.sourceEnded = true
    }

    /// A backend that broke off has said no goodbye: we say it, where it can be read as one (RFC 6455, 7.4.1).
    private mutating func sayThatBackendBroke() -> Bool {
        guard !down.sourceEnded, speakForBackend() else { return false }
        down.sourceEnded = true
        farewell = .failed(discarded: 0)
        return true
    }

    /// An end without a goodbye that the client has not asked for, most often that of a process that has crashed. What
    /// the client says goes up as before, in case somebody still reads it.
    private mutating func endForBackend(_ kernel: some Kernel) {
        guard !up.sourceEnded, clientFrames?.hasSeenClose == false, speakForBackend() else { return }
        spokeForBackend = true
        if !Self.flush(&down, to: &client, kernel) { down.pending.removeAll() }
    }

    /// 1011 and not 1012: whether the backend comes back is for its next client to decide. Who was to be told something
    /// else in a moment is told that.
    private mutating func speakForBackend() -> Bool {
        guard let serverFrames, serverFrames.isAtBoundary, !serverFrames.hasSeenClose else { return false }
        switch farewell {
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
    private mutating func finishFarewell(through kernel: some Kernel, scratch: inout Scratch) -> Progress {
        guard Self.flush(&down, to: &client, kernel) else { return .over(.clientReset) }
        if case .failed = farewell { Self.endSink(of: &down, client, kernel) }
        for _ in 0..<Limits.readsPerTurn {
            guard client.readiness.contains(.readable) else { return .rest }
            switch kernel.receive(from: client.descriptor, into: &scratch.ordinary) {
            case .bytes(let count):
                client.noteRead(count, of: scratch.ordinary.count)
                if case .failed(let discarded) = farewell {
                    let more = (count + 1023) / 1024
                    guard Int(discarded) + more <= Limits.discardedKibibytes else { return .over(.farewell) }
                    farewell = .failed(discarded: discarded + UInt16(more))
                }
                var ignored = Traffic.Direction()
                _ = Self.follow(scratch.ordinary.span.extracting(0..<count), &clientFrames, &ignored)
                // Of one who broke the rules nothing is read any more; its end, or the timer, is awaited.
                if down.pending.isEmpty, clientFrames?.hasSeenClose ?? false { return .over(.farewell) }
            case .wouldBlock: client.readiness.remove(.readable)
            case .ended, .failed: return .over(.farewell)
            }
        }
        return .more
    }
}

// MARK: - One end

extension Link.End {
    /// There is something to read, or an end to learn of.
    var hasSomething: Bool { readiness.contains(.readable) }

    /// A short read means drained, unless the peer has ended: then the end itself is still to be read.
    mutating func noteRead(_ count: Int, of room: Int) {
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
