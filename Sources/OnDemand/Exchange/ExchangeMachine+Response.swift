/// Response path: parse, check and rewrite the head; reframe and forward the body.
extension ExchangeMachine {
    mutating func receivedFromUpstream(_ bytes: ArraySlice<UInt8>) {
        precondition(phase == .relaying, "bytes were read from the backend while \(phase)")
        guard response != nil else {
            // The backend has read at least part of the request: do not retry it.
            request!.forwarding.head = []
            responseHead += bytes
            return readResponseHeads()
        }
        forwardResponse(bytes)
    }

    mutating func sentToUpstream(_ count: Int) {
        moved &+= count
        toUpstream.removeFirst(count)
        if toUpstream.isEmpty { forwardBody() }
    }

    /// The backend reads no more of the request, usually because it has responded already: its response may still
    /// arrive.
    mutating func upstreamRefusedBytes() {
        upstreamRefusesMore = true
        toUpstream.removeAll()
    }

    /// Handles a failed backend: sends a local reply, or aborts the connection where the response has begun.
    mutating func failUpstream(_ reply: LocalReply) {
        upstreamUse = .spent
        toUpstream.removeAll()
        guard response == nil else {
            // A clean close would make a response without a length look complete (RFC 9112, 8).
            phase = .aborting
            return
        }
        respond(reply)
    }

    // MARK: Heads

    private mutating func readResponseHeads() {
        do {
            var interim = 0
            while let head = try nextResponseHead() {
                responseParser = ResponseHeadParser(limits: answerLimits)
                if try accept(head) { return }
                interim += 1
                guard interim <= Limits.interimAnswersPerRead else {
                    return failUpstream(
                        LocalReply(status: 502, body: "\(serviceSentence) sent too many interim responses at once.")
                    )
                }
            }
        } catch HeadError.headTooLarge {
            let limit = "limits.max_response_header_bytes"
            let sentence =
                "sent a response header of more than \(answerLimits.maximumHeaderBytes) bytes (\(limit))"
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(sentence).", limit: limit))
        } catch HeadError.tooManyFields {
            let sentence = "sent a response header of more than \(answerLimits.maximumFields) fields"
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(sentence).", limit: "response_fields"))
        } catch {
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) sent a response that is not HTTP."))
        }
    }

    var answerLimits: HeadLimits {
        HeadLimits(maximumHeaderBytes: serviceLimits.maximumResponseHeadBytes, maximumFields: Limits.responseFields)
    }

    private mutating func nextResponseHead() throws(HeadError) -> ResponseHead? {
        let unread = responseHead  // A second reference, not a copy: the parser changes while it looks at the bytes.
        return try responseParser.examine(unread.span)
    }

    /// Forwards a head; returns true for the final head of the exchange.
    private mutating func accept(_ head: ResponseHead) throws -> Bool {
        if head.status == 101 {
            openTunnel(head)
            return true
        }
        if head.isInterim {
            forwardInterim(head)
            return false
        }
        try acceptFinal(head)
        return true
    }

    /// Opens the tunnel if the 101 has exactly one valid key for this client's handshake (RFC 6455, 4.1 and 11.3.3).
    private mutating func openTunnel(_ head: ResponseHead) {
        guard request!.upgrade == .webSocket, UpgradeIntent.isSwitchToWebSocket(head, in: responseHead.span),
            let accept = head.onlyValue(of: .secWebSocketAccept),
            request!.head.requested(for: accept, in: responseHead.span)
        else {
            let sentence = "\(serviceSentence) sent an invalid 101 response."
            return failUpstream(LocalReply(status: 502, body: sentence))
        }
        extensionsNegotiated = head.has(.secWebSocketExtensions)
        switchesToActionCable = switchesToActionCable(head)
        hasSubprotocol = head.has(.secWebSocketProtocol)
        // The head is usually forwarded byte for byte. Frames that came with it follow; usually there are none, and
        // nothing is copied.
        if responseHead.count > head.byteCount {
            earlyFrames = Array(responseHead[head.byteCount...])
            responseHead.removeSubrange(head.byteCount...)
        }
        if HeadRewriter.isPlain(head, in: responseHead.span) {
            toClient.append(responseHead)
        } else {
            var output: [UInt8] = []
            HeadRewriter.response(
                head, in: responseHead, keepAlive: true, clientVersion: .http11, upgrade: true, framing: false,
                into: &output)
            toClient.append(output)
        }
        responseHead = []
        phase = .tunnel
    }

    /// Whether the messages behind this 101 are those of Action Cable: no other subprotocol was chosen.
    private func switchesToActionCable(_ head: ResponseHead) -> Bool {
        guard request!.cable?.cableProtocol == .actionCable, !extensionsNegotiated else { return false }
        let chosen = head.values(of: .secWebSocketProtocol)
        return chosen.allSatisfy { responseHead[$0.indices].elementsEqual(ActionCableFrame.subprotocol.utf8) }
    }

    private mutating func forwardInterim(_ head: ResponseHead) {
        // HTTP/1.0 has no interim responses (RFC 9110, 15.2).
        if request!.version == .http11 {
            var output: [UInt8] = []
            HeadRewriter.response(
                head, in: responseHead, keepAlive: true, clientVersion: .http11, upgrade: false, framing: false,
                into: &output)
            toClient.append(output)
        }
        responseHead.removeFirst(head.byteCount)
    }

    private mutating func acceptFinal(_ head: ResponseHead) throws {
        let ending = try ResponseFraming(of: head, in: responseHead.span, toHeadRequest: request!.isHead)
        let framing = ending.body
        // Close where the request body is unfinished, only closing ends the response, or tunnel bytes have arrived.
        let unchunks = framing == .chunked && request!.version == .http10
        let mustClose = !request!.body.isFinished || framing == .untilClose || unchunks || hasTunnelBytes
        let keepAlive = request!.wantsKeepAlive && !mustClose
        var output: [UInt8] = []
        HeadRewriter.response(
            head, in: responseHead, keepAlive: keepAlive, clientVersion: request!.version, upgrade: false,
            framing: ending.keepsFields, into: &output)
        toClient.append(output)
        let limits = BodyLimits.ofResponse(
            removing: framing == .chunked ? HopByHop.names(head, in: responseHead.span) : [])
        let rest = responseHead[head.byteCount...]
        responseHead = []
        response = ResponseInFlight(
            body: BodyReader(framing, limits: limits, output: unchunks ? .content : .chunks), keepAlive: keepAlive,
            leavesUpstreamOpen: ending.isCertain && head.version == .http11 && head.wantsKeepAlive)
        forwardResponse(rest)
    }

    // MARK: Bodies

    private mutating func forwardResponse(_ bytes: ArraySlice<UInt8>) {
        do {
            let count = try response!.body.pass(bytes, to: &toClient)
            // Discard bytes behind the end: they belong to no response.
            if response!.body.isFinished { finishResponse(isWholeStream: count == bytes.count) }
        } catch {
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) sent an invalid response body."))
        }
    }

    /// `isWholeStream`: no bytes followed the response.
    mutating func finishResponse(isWholeStream: Bool) {
        phase = .finishing(keepAlive: response!.keepAlive && request!.wantsKeepAlive)
        let idleUpstream = isWholeStream && phase == .finishing(keepAlive: true) ? idleUpstreamAfterResponse : nil
        upstreamUse = idleUpstream.map { .reusable($0) } ?? .spent
        toUpstream.removeAll()
        if toClient.isEmpty, phase == .finishing(keepAlive: true) { sentToClient(0) }
    }

    /// Returns the bytes in flight when the tunnel opens: the 101 and early frames for the client, early client bytes
    /// for the backend.
    mutating func takeTunnelBytes() -> TunnelBytes {
        defer {
            toClient.removeAll()
            toUpstream.removeAll()
            inbound = []
            earlyFrames = []
        }
        return TunnelBytes(
            head: toClient, earlyFrames: earlyFrames, restOfHead: toUpstream, toUpstream: inbound)
    }

    struct TunnelBytes {
        /// The 101, and unsent bytes of interim responses before it.
        let head: ByteQueue
        /// Frames that the backend sent behind the 101.
        let earlyFrames: [UInt8]
        /// The unsent rest of the request head, where the backend responded before it had read all of it.
        let restOfHead: ByteQueue
        let toUpstream: [UInt8]
    }
}
