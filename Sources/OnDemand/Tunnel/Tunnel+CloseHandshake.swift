/// The close frames that the daemon sends into an open tunnel (RFC 6455, 7.1).
extension Tunnel {
    /// Ends the tunnel with a close frame, at once or after the backend's current frame.
    mutating func closeTunnel(_ code: CloseCode) {
        guard !closeHandshake.isSent else { return }
        // A pending close that fails the connection takes precedence.
        if case .pending(let earlier) = closeHandshake, earlier.failsConnection { return sendCloseIfPossible() }
        closeHandshake = .pending(code)
        sendCloseIfPossible()
    }

    /// Sends the pending close frame at a frame boundary. In the middle of a frame it would be read as payload.
    mutating func sendCloseIfPossible() {
        guard case .pending(let code) = closeHandshake, let serverFrames, serverFrames.isAtBoundary else { return }
        // Send at most one close frame (RFC 6455, 5.5.1).
        if !serverFrames.hasSeenClose, !sentCloseForBackend {
            down.pending.append(FrameWriter.close(code, reason: protocolViolation?.violation.reason ?? ""))
        }
        closeHandshake = .init(sending: code)
        down.endSource()
    }

    /// Sends a close frame for a backend that ended without one (RFC 6455, 7.4.1). Returns false if none can be sent.
    mutating func sendCloseAfterBackendFailure() -> Bool {
        guard !down.sourceEnded, sendCloseForBackend() else { return false }
        down.endSource()
        closeHandshake = .failed(discarded: 0)
        return true
    }

    /// Handles the end of a backend's direction without a close frame, usually after a crash. The client's bytes are
    /// still relayed because the backend may still read.
    mutating func endForBackend(_ kernel: some Kernel) {
        guard !up.sourceEnded, clientFrames?.hasSeenClose == false, sendCloseForBackend() else { return }
        sentCloseForBackend = true
        if !down.flush(to: &client, kernel) { down.pending.removeAll() }
    }

    /// Appends a close frame for the backend: 1011, because only the next request decides whether the backend restarts
    /// (1012 would promise it). A scheduled close keeps its own code.
    private mutating func sendCloseForBackend() -> Bool {
        guard let serverFrames, serverFrames.isAtBoundary, !serverFrames.hasSeenClose else { return false }
        switch closeHandshake {
        case .none: down.pending.append(FrameWriter.close(.internalError))
        case .scheduled(let code): down.pending.append(FrameWriter.close(code))
        case .pending, .sent, .failed: return false
        }
        return true
    }

    /// Sends the close frame and discards the client's bytes until its close frame or its end.
    ///
    /// On a failed connection the daemon ends its direction first and at once (RFC 6455, 7.1.1). Closing the socket at
    /// once would destroy the close frame: the kernel sends a reset if unread bytes are in the receive buffer.
    mutating func finishClose(through kernel: some Kernel, buffers: inout ReadBuffers) -> RelayProgress {
        guard down.flush(to: &client, kernel) else { return .over(.clientReset) }
        if case .failed = closeHandshake { down.endSink(client, kernel) }
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
                _ = TunnelDirection.follow(buffers.ordinary.span.extracting(0..<count), &clientFrames, &ignored)
                // After a protocol violation frames are no longer parsed. Only the client's end or the timer ends the
                // tunnel.
                if down.pending.isEmpty, clientFrames?.hasSeenClose ?? false { return .over(.closeHandshake) }
            case .wouldBlock: client.readiness.remove(.readable)
            case .ended, .failed: return .over(.closeHandshake)
            }
        }
        return .more
    }
}
