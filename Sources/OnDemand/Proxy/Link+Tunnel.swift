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
    }

    /// All that an event means for a tunnel, in one call: this is the way of every message, and the link stays where it
    /// is meanwhile.
    mutating func take(
        _ readiness: Readiness, for token: Token, through kernel: some Kernel, scratch: inout [UInt8]
    ) -> News {
        if token.role == .upstream {
            guard upstream != nil, upstream!.number == token.generation else { return .stale }
            upstream!.learn(readiness)
        } else {
            guard generation == token.generation else { return .stale }
            client.learn(readiness)
        }
        return conversation == nil ? .relayed(turn(through: kernel, scratch: &scratch)) : .conversing
    }

    mutating func turn(through kernel: some Kernel, scratch: inout [UInt8]) -> Turn {
        let progress = relay(through: kernel, scratch: &scratch)
        let clientSpoke = hasClientData && isDormant
        hasClientData = false
        return Turn(progress: progress, clientSpoke: clientSpoke, saidFarewell: farewell == .said)
    }

    /// What came in one piece with the heads goes first, and is followed from its first byte.
    mutating func openTunnel(_ bytes: ExchangeMachine.TunnelBytes, extensionsNegotiated: Bool) {
        conversation = nil
        down.pending = bytes.toClient
        up.pending = bytes.restOfHead
        up.pending.append(bytes.toUpstream)
        clientFrames = FrameTracker(
            role: .fromClient, maximumMessageBytes: nil, extensionsNegotiated: extensionsNegotiated)
        serverFrames = FrameTracker(
            role: .fromServer, maximumMessageBytes: nil, extensionsNegotiated: extensionsNegotiated)
        noteServerFrames(bytes.earlyFrames.span)
        noteClientFrames(bytes.toUpstream.span)
    }

    /// Moves what can be moved in both directions; reads are shared out so that nobody starves.
    mutating func relay(through kernel: some Kernel, scratch: inout [UInt8]) -> Progress {
        if farewell == .said { return finishFarewell(through: kernel, scratch: &scratch) }
        let upward = pumpUp(kernel, &scratch)
        if case .over = upward { return .over(.clientReset) }
        let downward = pumpDown(kernel, &scratch)
        if case .over = downward { return .over(.upstreamReset) }
        if farewell == .said { return finishFarewell(through: kernel, scratch: &scratch) }
        if up.isFinished && down.isFinished { return .over(.done) }
        if backendIsGone && down.pending.isEmpty && downward == .rest { return .over(.backendGone) }
        return upward == .more || downward == .more ? .more : .rest
    }

    private mutating func pumpUp(_ kernel: some Kernel, _ scratch: inout [UInt8]) -> Progress {
        if !Self.flush(&up, to: &upstream!, kernel) { return .over(.clientReset) }
        for _ in 0..<Limits.chunksPerTurn {
            guard up.wantsToRead, client.readiness.contains(.readable) else { break }
            switch Self.pass(&up, from: &client, to: &upstream!, kernel, &scratch) {
            case .bytes(let count): noteClientFrames(scratch.span.extracting(0..<count))
            case .nothing: break
            case .broken: return .over(.clientReset)
            }
        }
        Self.endSink(of: &up, upstream!, kernel)
        return up.wantsToRead && client.readiness.contains(.readable) ? .more : .rest
    }

    private mutating func pumpDown(_ kernel: some Kernel, _ scratch: inout [UInt8]) -> Progress {
        if !Self.flush(&down, to: &client, kernel) { return .over(.upstreamReset) }
        takeLeaveIfPossible()
        for _ in 0..<Limits.chunksPerTurn {
            guard down.wantsToRead, upstream!.readiness.contains(.readable) else { break }
            switch Self.pass(&down, from: &upstream!, to: &client, kernel, &scratch) {
            case .bytes(let count): noteServerFrames(scratch.span.extracting(0..<count))
            case .nothing: break
            case .broken: return .over(.upstreamReset)
            }
            takeLeaveIfPossible()
        }
        Self.endSink(of: &down, client, kernel)
        return down.wantsToRead && upstream!.readiness.contains(.readable) ? .more : .rest
    }
}

// MARK: - One direction

extension Link {
    private enum Passed {
        case bytes(Int)
        case nothing
        case broken
    }

    /// One read, and at once one write: only what the sink does not take is copied.
    private static func pass(
        _ pump: inout Pump, from source: inout End, to sink: inout End, _ kernel: some Kernel, _ scratch: inout [UInt8]
    ) -> Passed {
        switch kernel.receive(from: source.descriptor, into: &scratch) {
        case .bytes(let count):
            source.noteRead(count, of: scratch.count)
            let maySend = sink.readiness.contains(.writable)
            let result = maySend ? kernel.send(scratch.span.extracting(0..<count), to: sink.descriptor) : .wouldBlock
            guard let sent = sink.note(result, of: count) else { return .broken }
            if sent < count { pump.pending = ByteQueue(scratch[sent..<count]) }
            return .bytes(count)
        case .wouldBlock:
            source.readiness.remove(.readable)
            return .nothing
        case .ended:
            pump.sourceEnded = true
            return .nothing
        case .failed:
            return .broken
        }
    }

    /// False when the sink is broken.
    private static func flush(_ pump: inout Pump, to sink: inout End, _ kernel: some Kernel) -> Bool {
        guard pump.wantsToWrite, sink.readiness.contains(.writable) else { return true }
        let result = pump.pending.withSpan { kernel.send($0, to: sink.descriptor) }
        guard let sent = sink.note(result, of: pump.pending.count) else { return false }
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
    /// What is no frame is passed on all the same: from then on this side is a stream of bytes to us.
    private mutating func noteClientFrames(_ bytes: Span<UInt8>) {
        guard clientFrames != nil else { return }
        do throws(FrameError) {
            if try clientFrames!.advance(bytes).dataFrameBegan { hasClientData = true }
        } catch {
            clientFrames = nil
            hasClientData = true
        }
    }

    private mutating func noteServerFrames(_ bytes: Span<UInt8>) {
        guard serverFrames != nil else { return }
        do throws(FrameError) { _ = try serverFrames!.advance(bytes) } catch { serverFrames = nil }
    }
}

// MARK: - Taking leave

extension Link {
    /// Ends the tunnel with a close frame, now or as soon as the backend's current frame is through.
    mutating func takeLeave(_ code: CloseCode) {
        guard farewell != .said else { return }
        farewell = .wanted(code)
        takeLeaveIfPossible()
    }

    /// A close frame in the middle of another frame would be read as part of its payload.
    private mutating func takeLeaveIfPossible() {
        guard case .wanted(let code) = farewell, let serverFrames, serverFrames.isAtBoundary else { return }
        // Who has said goodbye already needs no second one (RFC 6455, 5.5.1).
        if !serverFrames.hasSeenClose { down.pending.append(FrameWriter.close(code)) }
        farewell = .said
        down.sourceEnded = true
    }

    /// The close frame goes out; what the client still sends is discarded until it has answered or gone.
    private mutating func finishFarewell(through kernel: some Kernel, scratch: inout [UInt8]) -> Progress {
        guard Self.flush(&down, to: &client, kernel) else { return .over(.clientReset) }
        for _ in 0..<Limits.chunksPerTurn {
            guard client.readiness.contains(.readable) else { return .rest }
            switch kernel.receive(from: client.descriptor, into: &scratch) {
            case .bytes(let count):
                client.noteRead(count, of: scratch.count)
                noteClientFrames(scratch.span.extracting(0..<count))
                if down.pending.isEmpty, clientFrames?.hasSeenClose ?? true { return .over(.farewell) }
            case .wouldBlock: client.readiness.remove(.readable)
            case .ended, .failed: return .over(.farewell)
            }
        }
        return .more
    }
}

// MARK: - One end

extension Link.End {
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
