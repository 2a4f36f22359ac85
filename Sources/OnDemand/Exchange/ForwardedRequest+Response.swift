/// What a response head of the backend means for the client: the bytes to forward, and what follows them.
extension ForwardedRequest {
    /// The tunnel behind a 101 that has exactly one valid key for this client's handshake (RFC 6455, 4.1 and 11.3.3);
    /// nil for an invalid 101.
    func tunnel(behind head: ResponseHead, in bytes: [UInt8]) -> TunnelOpening? {
        guard opensWebSocket, UpgradeIntent.isSwitchToWebSocket(head, in: bytes.span),
            let accept = head.onlyValue(of: .secWebSocketAccept),
            parsed.head.requested(for: accept, in: bytes.span)
        else { return nil }
        let extensionsNegotiated = head.has(.secWebSocketExtensions)
        return TunnelOpening(
            // Usually no frames came with the 101, and nothing is copied.
            earlyFrames: bytes.count > head.byteCount ? Array(bytes[head.byteCount...]) : [],
            extensionsNegotiated: extensionsNegotiated,
            switchesToActionCable: !extensionsNegotiated && choosesActionCable(head, bytes),
            hasSubprotocol: head.has(.secWebSocketProtocol))
    }

    /// Whether the messages behind this 101 are those of Action Cable: no other subprotocol was chosen.
    private func choosesActionCable(_ head: ResponseHead, _ bytes: [UInt8]) -> Bool {
        guard parsed.cable?.upgrade.cableProtocol == .actionCable else { return false }
        let chosen = head.values(of: .secWebSocketProtocol)
        return chosen.allSatisfy { bytes[$0.indices].elementsEqual(ActionCableFrame.subprotocol.utf8) }
    }

    /// The final response behind this head. `mustClose`: the client's bytes do not allow another request.
    func response(
        _ head: ResponseHead, in bytes: [UInt8], mustClose: Bool, to client: inout ByteQueue
    ) throws -> ResponseInFlight {
        let ending = try ResponseFraming(of: head, in: bytes.span, toHeadRequest: parsed.isHead)
        let framing = ending.body
        // Close where the request body is unfinished, only closing ends the response, or tunnel bytes have arrived.
        let unchunks = framing == .chunked && parsed.version == .http10
        let keepAlive = wantsKeepAlive && !(mustClose || !body.isFinished || framing == .untilClose || unchunks)
        var output: [UInt8] = []
        HeadRewriter.response(
            head, in: bytes, keepAlive: keepAlive, clientVersion: parsed.version, upgrade: false,
            framing: ending.keepsFields, into: &output)
        client.append(output)
        let limits = BodyLimits.ofResponse(removing: framing == .chunked ? HopByHop.names(head, in: bytes.span) : [])
        return ResponseInFlight(
            body: BodyReader(framing, limits: limits, output: unchunks ? .content : .chunks), keepAlive: keepAlive,
            leavesUpstreamOpen: ending.isCertain && head.version == .http11 && head.wantsKeepAlive)
    }
}

/// A final response whose head was forwarded.
struct ResponseInFlight {
    var body: BodyReader
    let keepAlive: Bool
    /// Whether the response has a definite end and the backend has not announced a close.
    let leavesUpstreamOpen: Bool
}

/// What a valid 101 says about the tunnel behind it.
struct TunnelOpening {
    /// Frames that arrived with the 101.
    var earlyFrames: [UInt8]
    /// Whether the 101 named an extension, which gives frames' reserved bits a meaning (RFC 6455, 5.2).
    let extensionsNegotiated: Bool
    /// The 101 was for a cable's client, whose messages the daemon understands.
    let switchesToActionCable: Bool
    /// The 101 named a subprotocol.
    let hasSubprotocol: Bool
}

/// The bytes in flight when a tunnel opens.
struct TunnelBytes {
    /// The 101, and unsent bytes of interim responses before it.
    let head: ByteQueue
    /// Frames that the backend sent behind the 101.
    let earlyFrames: [UInt8]
    /// The unsent rest of the request head, where the backend responded before it had read all of it.
    let restOfHead: ByteQueue
    let toUpstream: [UInt8]
}
