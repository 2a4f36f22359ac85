/// The request's way up: a head is judged and rewritten, its body is framed and passed on.
extension ExchangeMachine {
    /// Looks for a whole head at the front of what has been read.
    mutating func readHead() {
        do {
            // A second reference, not a copy: the parser changes while it looks at the bytes.
            let unread = inbound
            guard let head = try headParser.examine(unread.span) else { return }
            try accept(head)
        } catch let error as HeadError {
            respond(CannedResponse(refusing: error), closing: true)
        } catch let error as FramingError {
            respond(CannedResponse(refusing: error), closing: true)
        } catch {
            preconditionFailure("\(error) is nobody's mistake")
        }
    }

    private mutating func accept(_ head: RequestHead) throws {
        let framing = try BodyFraming.ofRequest(head, in: inbound.span)
        let asked = try UpgradeIntent.of(head, in: inbound.span)
        let match = rules.routes.find(path(of: head).span)
        var accepted = RequestInFlight(
            service: match?.destination.service,
            line: "\(String(inbound.span, head.method)) \(String(inbound.span, head.target))",
            version: head.version, isHead: head.isHead,
            upgrade: mayUpgrade(to: match?.destination) ? asked : asked == .none ? .none : .ignored,
            askedForTunnel: asked == .webSocket, wantsKeepAlive: head.wantsKeepAlive, body: BodyReader(framing))
        if case .backend(let id) = match?.destination {
            accepted.upstreamHead = upstreamHead(of: head, for: id, match!, accepted)
            accepted.mayWake = rules.services[id.index].wakeOn.allows(
                path: path(of: head).span, isUpgrade: accepted.upgrade == .webSocket
            ) { !head.values(of: $0, in: inbound.span).isEmpty }
            if accepted.upgrade == .webSocket, let key = head.text(of: "sec-websocket-key", in: inbound.span) {
                accepted.expectedAccept = Handshake.acceptValue(forKey: key)
            }
        }
        let method = String(inbound.span, head.method)
        request = accepted
        inbound.removeFirst(head.byteCount)
        if inbound.isEmpty { inbound = [] }
        proceed(to: match?.destination, method: method)
    }

    private mutating func proceed(to destination: Destination?, method: String) {
        switch destination {
        case nil:
            respond(CannedResponse(status: 404, body: "No service is configured for this path."))
        case .disabled(let id):
            phase = .turningAway(id)
        case .backend(let id):
            phase = .entering(id)
        case .status(let resource):
            guard method == "GET" || method == "HEAD" else {
                let allow = CannedResponse.Field(name: "Allow", value: "GET, HEAD")
                return respond(CannedResponse(status: 405, body: "Only GET is served here.", fields: [allow]))
            }
            phase = .serving(resource)
        }
    }

    /// `http://host` means `/` (RFC 9110, 4.2.3).
    private func path(of head: RequestHead) -> [UInt8] {
        head.path.isEmpty ? [UInt8(ascii: "/")] : Array(inbound[head.path.indices])
    }

    private func mayUpgrade(to destination: Destination?) -> Bool {
        guard case .backend(let id) = destination else { return false }
        return rules.services[id.index].webSocket
    }

    private func upstreamHead(
        of head: RequestHead, for id: BackendID, _ match: Match, _ request: RequestInFlight
    ) -> [UInt8] {
        let service = rules.services[id.index]
        let host = head.host.map { String(inbound.span, $0) } ?? ""
        let query = head.query.map { Array(inbound[$0.indices]) }
        let target = TargetRewriter.upstreamTarget(
            path: path(of: head).span, matched: match.matchedByteCount, targetPath: service.targetPath,
            query: query?.span)
        var output: [UInt8] = []
        HeadRewriter.request(
            head, in: inbound.span, target: target,
            set: service.headers.map {
                (name: $0.name, value: $0.value(remoteAddress: remoteAddress, scheme: "http", host: host))
            },
            authority: service.authority, upgrade: request.upgrade,
            // An HTTP/1.0 client cannot read chunks, so its backend must not write any.
            version: head.version, into: &output)
        return output
    }

    /// Passes on as much of the body as has been read; what lies behind it belongs to the next request.
    mutating func forwardBody() {
        guard !request!.body.isFinished, !inbound.isEmpty else { return }
        guard !upstreamRefusesMore else {
            inbound = []
            return
        }
        do {
            let unread = inbound
            let count = try request!.body.consume(unread.span)
            toUpstream.append(inbound[..<count])
            inbound.removeFirst(count)
            if inbound.isEmpty { inbound = [] }
        } catch {
            // The client's mistake, and the backend waits for a body that will never be whole.
            failUpstream(CannedResponse(refusing: error))
        }
    }
}

extension Destination {
    /// The service that a request is about, if it is about one.
    var service: BackendID? {
        switch self {
        case .backend(let id), .disabled(let id): id
        case .status: nil
        }
    }
}
