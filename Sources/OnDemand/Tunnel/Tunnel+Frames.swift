/// The frames of an open tunnel: what a piece of bytes means for it, and the end after a violation.
extension Tunnel {
    @inline(__always)
    mutating func note(_ piece: TunnelDirection.Piece, from side: Peer, _ traffic: inout Traffic) {
        if let code = piece.summary.closeCode { traffic.countClose(code.number) }
        if side == .client, piece.summary.dataFrameBegan { hasClientData = true }
        guard let violation = piece.violation else { return }
        // The first violation of either side is the reported one.
        protocolViolation = protocolViolation ?? ProtocolViolation(side: side, violation: violation)
        switch side {
        case .client: endClient(violation, atBoundary: piece.endsAtBoundary)
        case .upstream: endBackend(violation, atBoundary: piece.endsAtBoundary)
        }
    }

    /// Ends a tunnel with an invalid client frame: close code to the client, 1001 to the backend.
    private mutating func endClient(_ violation: FrameViolation, atBoundary: Bool) {
        // Masking protects intermediaries from attacker-controlled bytes (RFC 6455, 10.3). These bytes are the daemon's
        // own, so a fixed key is enough.
        if atBoundary { up.pending.append(FrameWriter.close(.goingAway, key: MaskingKey(0, 0, 0, 0))) }
        up.endSource()
        if !closeHandshake.isSent { closeHandshake = .pending(violation.closeCode) }
    }

    /// Ends a tunnel with an invalid backend frame. The client gets 1011, an unexpected condition (RFC 6455, 7.4.1).
    private mutating func endBackend(_ violation: FrameViolation, atBoundary: Bool) {
        down.endSource()
        guard atBoundary else { return }
        down.pending.append(FrameWriter.close(.internalError))
        closeHandshake = .init(sending: .internalError)
    }
}
