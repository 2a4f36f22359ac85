/// The bytes of an exchange on their way: heads that are read, bodies that are forwarded, bytes that are handed over.
/// Nothing here sets the phase.
extension ExchangeMachine {
    // MARK: The request

    /// Reads the PROXY header, which names the client; nothing else on the connection is trusted before it.
    /// Returns true once it is complete.
    mutating func readProxyHeader() -> Bool {
        do throws(ProxyHeaderError) {
            guard let header = try ProxyHeader.examine(inbound.span) else { return false }
            peer = header.client?.unmapped ?? peer
            isEncrypted = header.isEncrypted
            inbound.removeFirst(header.byteCount)
            if inbound.isEmpty { inbound = [] }
            return true
        } catch {
            respond(LocalReply(status: 400, body: error.reason), closing: true)
            return false
        }
    }

    /// Takes the next request off the unread bytes, if its head is complete.
    mutating func nextRequest() -> (request: RequestInFlight, disposition: RequestReader.Disposition)? {
        do {
            guard let head = try nextHead() else { return nil }
            let reader = RequestReader(
                rules: rules, peer: peer, isEncrypted: isEncrypted, connection: identity, number: requestCount)
            return try reader.read(head, from: &inbound)
        } catch let error as HeadError {
            respond(LocalReply(refusing: error), closing: true)
        } catch let error as FramingError {
            respond(LocalReply(refusing: error), closing: true)
        } catch {
            preconditionFailure("\(error) is not a protocol error")
        }
        return nil
    }

    private mutating func nextHead() throws(HeadError) -> RequestHead? {
        let unread = inbound  // A second reference, not a copy: the parser changes while it looks at the bytes.
        return try headParser.examine(unread.span)
    }

    /// Moves unread bytes of the body to the queue; bytes behind the body belong to the next request.
    mutating func takeBody(of request: RequestInFlight, into queue: inout ByteQueue) throws(FramingError) {
        let count = try request.body.pass(inbound[...], to: &queue)
        inbound.removeFirst(count)
        if inbound.isEmpty { inbound = [] }
    }

    /// Forwards the unread part of the body.
    mutating func forwardBody(of request: ForwardedRequest) {
        guard !request.body.isFinished, !inbound.isEmpty else { return }
        guard !upstream.refusesMore else {
            inbound = []
            return
        }
        do {
            let count = try request.body.pass(inbound[...], to: &toUpstream)
            inbound.removeFirst(count)
            if inbound.isEmpty { inbound = [] }
        } catch {
            // The client's error; the backend would wait for a body that never completes.
            failUpstream(LocalReply(refusing: error))
        }
    }

    mutating func sentToUpstream(_ count: Int) {
        moved &+= count
        toUpstream.removeFirst(count)
        if toUpstream.isEmpty, let request = forwardedRequest { forwardBody(of: request) }
    }

    /// The backend reads no more of the request, usually because it has responded already: its response may still
    /// arrive.
    mutating func upstreamRefusedBytes() {
        upstream.refusesMore = true
        toUpstream.removeAll()
    }

    /// The response in progress is the last one of the connection.
    func closeAfterResponse() { request?.wantsKeepAlive = false }

    // MARK: The response's head

    enum HeadOutcome {
        case incomplete
        /// The final response, and the bytes behind its head.
        case response(ResponseInFlight, rest: ArraySlice<UInt8>)
        case tunnel(TunnelOpening)
        case invalid(LocalReply)
    }

    /// Forwards the heads at the front of the unread bytes: interim ones, and the final one or a 101.
    mutating func readHeads(of request: ForwardedRequest) -> HeadOutcome {
        let limits = answerLimits
        do {
            var interim = 0
            while let head = try upstream.nextHead(limits) {
                if head.status == 101 { return openTunnel(behind: head, request) }
                guard head.isInterim else { return try finalResponse(head, to: request) }
                forwardInterim(head, to: request)
                interim += 1
                guard interim <= Limits.interimAnswersPerRead else {
                    return invalid("sent too many interim responses at once")
                }
            }
            return .incomplete
        } catch HeadError.headTooLarge {
            let limit = "limits.max_response_header_bytes"
            return invalid("sent a response header of more than \(limits.maximumHeaderBytes) bytes (\(limit))", limit)
        } catch HeadError.tooManyFields {
            return invalid("sent a response header of more than \(limits.maximumFields) fields", "response_fields")
        } catch {
            return invalid("sent a response that is not HTTP")
        }
    }

    private func invalid(_ what: String, _ limit: String? = nil) -> HeadOutcome {
        .invalid(LocalReply(status: 502, body: "\(serviceSentence) \(what).", limit: limit))
    }

    private mutating func openTunnel(behind head: ResponseHead, _ request: ForwardedRequest) -> HeadOutcome {
        guard let opening = request.tunnel(behind: head, in: upstream.unread) else {
            return invalid("sent an invalid 101 response")
        }
        var bytes = upstream.takeUnread()
        if bytes.count > head.byteCount { bytes.removeSubrange(head.byteCount...) }
        // The head is usually forwarded byte for byte.
        if HeadRewriter.isPlain(head, in: bytes.span) {
            toClient.append(bytes)
        } else {
            forward(head, of: bytes, upgrade: true)
        }
        return .tunnel(opening)
    }

    private mutating func forwardInterim(_ head: ResponseHead, to request: ForwardedRequest) {
        // HTTP/1.0 has no interim responses (RFC 9110, 15.2).
        if request.parsed.version == .http11 { forward(head, of: upstream.unread, upgrade: false) }
        upstream.unread.removeFirst(head.byteCount)
    }

    /// Forwards a head that no body follows.
    private mutating func forward(_ head: ResponseHead, of bytes: [UInt8], upgrade: Bool) {
        var output: [UInt8] = []
        HeadRewriter.response(
            head, in: bytes, keepAlive: true, clientVersion: .http11, upgrade: upgrade, framing: false, into: &output)
        toClient.append(output)
    }

    private mutating func finalResponse(_ head: ResponseHead, to request: ForwardedRequest) throws -> HeadOutcome {
        let response = try request.response(
            head, in: upstream.unread, mustClose: request.hasTunnelBytes(inbound), to: &toClient)
        return .response(response, rest: upstream.takeUnread()[head.byteCount...])
    }

    // MARK: Local replies

    /// Rejects the connection with 503: a connection limit is reached.
    mutating func reject() {
        respond(LocalReply(status: 503, body: "Too many connections; retry later."), closing: true)
    }

    mutating func refused(_ refusal: Refusal, retryAfter: Duration?) {
        let sentence = "\(serviceSentence) \(refusal.sentence)."
        let seconds = retryAfter.map { max(1, $0.secondsRoundedUp) }
        respond(LocalReply(status: 503, body: sentence, retryAfterSeconds: seconds))
    }

    /// Answers 502. `isOwnListener`: the target is a listener of this daemon, which would loop forever.
    mutating func connectFailed(isOwnListener: Bool = false) {
        guard connectingRequest != nil else { impossible() }
        let reason = isOwnListener ? "has a listener of this daemon as its target" : "does not accept connections"
        failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(reason)."))
    }

    /// Rejects the request: the system has no descriptor, port or memory for a connection. The lease is returned.
    mutating func resourcesRanOut() {
        guard connectingRequest != nil else { impossible() }
        upstream.reuse = .spent
        refused(.resourcesExhausted, retryAfter: Refusal.resourcesExhaustedRetry)
    }

    mutating func upstreamFailed() { breakOff("reset the connection") }

    /// Handles a connection that breaks before the end of the response; others have nothing to lose.
    mutating func breakOff(_ reason: StaticString) {
        switch phase {
        case .awaitingResponse, .relaying:
            failUpstream(LocalReply(status: 502, body: "\(serviceSentence) \(reason)."))
        case .readingProxyHeader, .admitting, .readingHead, .rejecting, .acquiringBackend, .queued, .connecting,
            .awaitingConnection, .tunnel, .local, .finishing, .aborting, .lingering, .over:
            break
        }
    }

    /// Returns the last local reply once, for the log; nil without one.
    mutating func takeLocalReply() -> LocalReply? {
        guard hasLocalReply else { return nil }
        hasLocalReply = false
        defer { localReply = nil }
        return localReply
    }

    /// The bytes of a local reply, in the format that the client prefers.
    func rendered(_ reply: LocalReply, for request: RequestInFlight?, keepAlive: Bool) -> [UInt8] {
        // Without a parsed head the client's preferred format is unknown.
        let context = request.map { LocalReply.ReplyContext(form: $0.parsed.head.responseFormat, requestID: $0.id) }
        return reply.rendered(
            for: context ?? .init(), keepAlive: keepAlive, headOnly: request?.parsed.isHead ?? beginsWithHead)
    }

    /// 204 for the daemon itself; no backend wakes.
    func serverDescription(for request: RequestInFlight) -> [UInt8] {
        LocalReply(status: 204, body: "").rendered(
            for: .init(requestID: request.id), keepAlive: request.staysOpen(inbound), headOnly: false)
    }

    /// Whether the unread bytes begin with HEAD: such a client reads no body, even where its head is invalid (RFC 9112,
    /// 6.3).
    private var beginsWithHead: Bool {
        inbound.drop { $0 == HTTPByte.carriageReturn || $0 == HTTPByte.lineFeed }.starts(with: "HEAD ".utf8)
    }

    /// Sends more of an endless response. Returns false for a client that does not keep up and must be closed. A client
    /// that has read everything gets the next piece whatever its size.
    mutating func push(_ bytes: [UInt8], within limit: Int = Limits.readBufferBytes) -> Bool {
        guard toClient.isEmpty || toClient.count + bytes.count <= limit else { return false }
        toClient.append(bytes)
        return true
    }

    // MARK: Bytes for the driver

    /// The body of the request for an endpoint.
    var endpointBody: [UInt8] { if case .local(.serving(let body), _, _) = phase { body } else { [] } }

    /// Hands over bytes that arrived behind an upgrade's head; the driver owns the connection from here on.
    mutating func takeEarlyBytes() -> [UInt8] {
        defer { inbound = [] }
        return inbound
    }

    /// Hands over the bytes in flight when the tunnel opens: the 101 and early frames for the client, early client
    /// bytes for the backend. The driver owns both connections from here on.
    mutating func takeTunnelBytes() -> TunnelBytes {
        defer {
            toClient.removeAll()
            toUpstream.removeAll()
            inbound = []
        }
        return TunnelBytes(
            head: toClient, earlyFrames: tunnelOpening?.earlyFrames ?? [], restOfHead: toUpstream, toUpstream: inbound)
    }

    // MARK: The connection to the backend

    /// The connection that waits for the client's next request; nil without one.
    var idleUpstream: UpstreamReuse.Idle? {
        if case .kept(let idleUpstream) = upstream.reuse { idleUpstream } else { nil }
    }

    /// The connection after a complete response, open and with nothing in flight in either direction; nil where it must
    /// close.
    func idleUpstream(behind response: ResponseInFlight, to request: ForwardedRequest) -> UpstreamReuse.Idle? {
        guard let timeout = request.forwarding.keepsUpstream, response.leavesUpstreamOpen, toUpstream.isEmpty,
            !upstream.refusesMore
        else { return nil }
        return .init(service: request.backend, timeout: timeout)
    }

    /// Records that the driver has performed `keepUpstream`.
    mutating func keptUpstream() {
        guard case .reusable(let idleUpstream) = upstream.reuse else {
            preconditionFailure("kept although it is \(upstream.reuse)")
        }
        upstream = UpstreamState(reuse: .kept(idleUpstream))
    }

    /// Records that the driver has performed `releaseUpstream`.
    mutating func releasedUpstream() { upstream = UpstreamState() }
}
