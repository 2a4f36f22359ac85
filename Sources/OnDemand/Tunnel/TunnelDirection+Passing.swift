/// Moves the bytes of one direction: one read, the meaning of its frames, one write.
extension TunnelDirection {
    enum Passed {
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
    func room(forRead position: Int, to sink: ConnectedSocket, _ kernel: some Kernel) -> Int {
        guard position >= Limits.ordinaryReadsPerTurn, !readsSmall else { return ordinaryRead }
        return min(max(kernel.roomToSend(on: sink.descriptor), Limits.readBufferBytes), Limits.largeReadBytes)
    }

    /// Performs one read and one write. Only bytes that the sink does not accept are copied.
    mutating func pass(
        _ tracker: inout FrameTracker?, from source: inout ConnectedSocket, to sink: inout ConnectedSocket,
        _ kernel: some Kernel, _ buffers: inout [UInt8], _ room: Int, _ traffic: inout Traffic.Direction
    ) -> Passed {
        switch kernel.receive(from: source.descriptor, into: &buffers, atMost: room) {
        case .bytes(let count):
            source.recordRead(count, of: room)
            let piece = Self.follow(buffers.span.extracting(0..<count), &tracker, &traffic)
            let frames = piece.summary.frames
            if frames > Limits.framesPerRead {
                read(small: true)
            } else if readsSmall {
                read(small: Int(frames) * Limits.smallFrameBytes > count)
            }
            guard piece.count > 0 else { return .piece(piece) }
            let maySend = sink.readiness.contains(.writable)
            let result =
                maySend ? kernel.send(buffers.span.extracting(0..<piece.count), to: sink.descriptor) : .wouldBlock
            guard let sent = sink.note(result, of: piece.count) else { return .sinkBroken }
            moved &+= UInt32(truncatingIfNeeded: sent)
            if sent < piece.count { pending = ByteQueue(buffers[sent..<piece.count]) }
            return .piece(piece)
        case .wouldBlock:
            source.readiness.remove(.readable)
            return .nothing
        case .ended:
            endSource()
            return .nothing
        case .failed:
            return .sourceBroken
        }
    }

    /// Writes pending bytes. Returns false if the sink is broken.
    mutating func flush(to sink: inout ConnectedSocket, _ kernel: some Kernel) -> Bool {
        guard wantsToWrite, sink.readiness.contains(.writable) else { return true }
        let result = pending.withSpan { kernel.send($0, to: sink.descriptor) }
        guard let sent = sink.note(result, of: pending.count) else { return false }
        moved &+= UInt32(truncatingIfNeeded: sent)
        pending.removeFirst(sent)
        return true
    }

    /// Ends sending where the source has ended and nothing is pending.
    mutating func endSink(_ sink: ConnectedSocket, _ kernel: some Kernel) {
        guard wantsToEndSink else { return }
        kernel.endSending(on: sink.descriptor)
        sinkEnded = true
    }

    /// Counts frames and returns how many bytes may be forwarded. Of an invalid frame nothing is forwarded except
    /// header bytes of an earlier read.
    static func follow(
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
