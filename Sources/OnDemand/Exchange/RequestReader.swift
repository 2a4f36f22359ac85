/// Reads the complete head of a request: checks it, finds its destination, and rewrites it for a backend.
struct RequestReader {
    let rules: ExchangeRules
    let peer: SocketAddress
    /// Whether the PROXY header says that the client used TLS.
    let isEncrypted: Bool
    /// Number of the connection, and of the request on it.
    let connection: UInt64
    let number: Int

    /// What follows from a head.
    enum Disposition {
        case forward(ForwardedRequest)
        /// The service is disabled.
        case reject(BackendID)
        case serve(Endpoint)
        /// The endpoint needs the body. `isAwaited`: the client sends it after a 100.
        case readBody(Endpoint, isAwaited: Bool)
        case reply(LocalReply)
        /// `OPTIONS` for the daemon itself.
        case describeServer
    }

    /// Takes the head out of the unread bytes.
    func read(
        _ head: RequestHead, from bytes: inout [UInt8]
    ) throws -> (request: RequestInFlight, disposition: Disposition) {
        let isAboutServer = isAboutServer(head, bytes)
        let path = path(of: head, bytes)
        let match = isAboutServer ? nil : rules.routes.find(path.span)
        let backend = match?.destination.backend(rules)
        var limits = BodyLimits(maximumBytes: maximumBodyBytes(of: match?.destination, backend))
        // The rejection of a request comes before that of its body: without a key a client learns of no limit.
        let framing = try BodyFraming.ofRequest(
            head, in: bytes.span, limits: match?.destination.isLocal == true ? BodyLimits() : limits)
        if framing == .chunked { limits.removedTrailers = removedTrailers(of: head, for: backend, bytes) }
        let requested = try UpgradeIntent.of(head, in: bytes.span)
        let provenance = ForwardedHeaders(
            of: head, in: bytes.span, from: peer, isEncrypted: isEncrypted, trusting: rules.trustedProxies)
        let upgrade = mayUpgrade(to: match?.destination) ? requested : requested == .none ? .none : .ignored
        let identity = RequestIdentity(of: head, in: bytes.span, connection: connection, request: number)
        var (denial, cable, origin): (LocalReply?, CableUpgrade?, String?)
        if case .local(let endpoint) = match?.destination {
            (denial, cable, origin) = admission(to: endpoint, head, in: bytes.span, upgrade, provenance)
            if denial == nil, !limits.admit(framing) { denial = LocalReply(refusing: FramingError.bodyTooLarge) }
        }
        var forwarding: Forwarding?
        if let match, let id = backend, denial == nil {
            let own = addedFields(on: head, identity, provenance, configured: rules.services[id.index].headers, bytes)
            forwarding = self.forwarding(
                head, path, match, to: id, own, asking: requested, upgrade, isCableClient: cable != nil, bytes)
            origin = refusedOrigin(of: head, asking: requested, for: id, bytes)
            if let forwarding { cable?.backendHead = forwarding.head }
        }
        // Built in one piece, because copying it is expensive.
        let parsed = ParsedRequest(
            head: StoredHead(head, takenFrom: &bytes), service: backend ?? match?.destination.service,
            announcedClient: provenance.announcedClient, identity: identity, version: head.version,
            isHead: head.isHead, upgrade: upgrade, askedForTunnel: requested == .webSocket, refusedOrigin: origin,
            cable: handshake(cable, for: match?.destination), hidesQuery: match?.destination.hidesQuery == true,
            command: match?.destination.command)
        let body = BodyReader(
            framing, limits: limits, output: match?.destination.needsBody == true ? .content : .chunks)
        guard let id = backend, let forwarding else {
            let request = RequestInFlight(parsed, wantsKeepAlive: head.wantsKeepAlive, body: body)
            guard !isAboutServer else { return (request, .describeServer) }
            return (request, disposition(of: request, to: match?.destination, denial, head))
        }
        let request = ForwardedRequest(
            parsed, wantsKeepAlive: head.wantsKeepAlive, body: body, to: id, forwarding)
        if let cable = parsed.cable { return (request, .serve(.cable(cable.id))) }
        return (request, request.disposition)
    }

    private func handshake(_ upgrade: CableUpgrade?, for destination: Destination?) -> CableHandshake? {
        guard let upgrade, let id = destination?.cable else { return nil }
        return CableHandshake(id: id, upgrade: upgrade)
    }

    private func disposition(
        of request: RequestInFlight, to destination: Destination?, _ denial: LocalReply?, _ head: RequestHead
    ) -> Disposition {
        switch destination {
        case nil: .reply(LocalReply(status: 404, body: "No service is configured for this path."))
        case .disabled(let id): .reject(id)
        case .backend: preconditionFailure("a request for a backend that is not forwarded")
        case .local(let endpoint): disposition(of: request, to: endpoint, denial, head)
        }
    }

    private func disposition(
        of request: RequestInFlight, to endpoint: Endpoint, _ denial: LocalReply?, _ head: RequestHead
    ) -> Disposition {
        if case .status(let resource) = endpoint, resource != .service, !head.isHead, !request.parsed.head.isGet {
            let allow = LocalReply.Field(name: "Allow", value: "GET, HEAD")
            return .reply(LocalReply(status: 405, body: "Method not allowed; use GET.", fields: [allow]))
        }
        if let denial { return .reply(denial) }
        guard Destination.local(endpoint).needsBody else { return .serve(endpoint) }
        return .readBody(endpoint, isAwaited: head.has(.expect))
    }

    /// Returns whether the request is about the server: `OPTIONS *` (RFC 9110, 9.3.7), or `OPTIONS` with an absolute
    /// target without path and query (RFC 9112, 3.2.4).
    private func isAboutServer(_ head: RequestHead, _ bytes: [UInt8]) -> Bool {
        guard head.form == .asterisk || head.form == .absolute && head.path.isEmpty && head.query == nil else {
            return false
        }
        return bytes.span.isExactly("OPTIONS", in: head.method)
    }

    /// The response to a request that an endpoint does not admit, the handshake of a cable's client, and an origin that
    /// was rejected.
    private func admission(
        to endpoint: Endpoint, _ head: RequestHead, in bytes: Span<UInt8>, _ upgrade: UpgradeIntent,
        _ provenance: ForwardedHeaders
    ) -> (denial: LocalReply?, cable: CableUpgrade?, origin: String?) {
        switch endpoint {
        case .status(let resource):
            let denial = rules.statusGuard.denial(
                to: resource, asking: String(bytes, head.method), head, in: bytes)
            return (denial, nil, nil)
        case .control: return (nil, nil, nil)
        case .broadcast(let id):
            return (rules.cables[id.index].denialOfBroadcast(head, in: bytes, from: peer), nil, nil)
        case .command(let id): return (rules.commands[id.index].denial(of: .command, head, in: bytes), nil, nil)
        case .run(let id): return (rules.commands[id.index].denial(of: .run, head, in: bytes), nil, nil)
        case .cable(let id):
            do throws(CableUpgradeDenied) {
                let cable = try CableUpgrade(
                    of: head, in: bytes, upgrade: upgrade, from: provenance, access: rules.cables[id.index])
                return (nil, cable, nil)
            } catch {
                return (error.response, nil, error.origin)
            }
        }
    }

    private func forwarding(
        _ head: RequestHead, _ path: ArraySlice<UInt8>, _ match: Match, to id: BackendID, _ own: AddedHeaders,
        asking requested: UpgradeIntent, _ upgrade: UpgradeIntent, isCableClient: Bool, _ bytes: [UInt8]
    ) -> Forwarding {
        let keepsUpstream = timeout(for: head, asking: requested, at: id)
        return Forwarding(
            head: upstreamHead(
                of: head, target: target(of: head, path, match, rules.services[id.index].targetPath, bytes),
                authority: rules.services[id.index].authority, own: own, upgrade: upgrade,
                keepAlive: keepsUpstream != nil, isCableClient: isCableClient, bytes),
            keepsUpstream: keepsUpstream, isSafe: isSafe(head, in: bytes.span),
            mayWake: rules.services[id.index].wakeOn.allows(
                path: path.span, isUpgrade: upgrade == .webSocket
            ) {
                !head.values(of: $0, in: bytes.span).isEmpty
            })
    }

    /// Returns the path; `http://host` means `/` (RFC 9110, 4.2.3).
    private func path(of head: RequestHead, _ bytes: [UInt8]) -> ArraySlice<UInt8> {
        head.path.isEmpty ? [UInt8(ascii: "/")] : bytes[head.path.indices]
    }

    /// Returns whether the method is safe (RFC 9110, 9.2.1).
    private func isSafe(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        return bytes.isExactly("GET", in: head.method) || head.isHead || bytes.isExactly("OPTIONS", in: head.method)
    }

    private func mayUpgrade(to destination: Destination?) -> Bool {
        switch destination {
        case .backend(let id): rules.services[id.index].webSocket
        case .local(.cable): true
        case .local, .disabled, nil: false
        }
    }

    /// Returns the names that trailers must not have: hop-by-hop fields and fields that the operator sets.
    private func removedTrailers(
        of head: RequestHead, for backend: BackendID?, _ bytes: [UInt8]
    ) -> [[UInt8]] {
        let configured = backend.map { rules.services[$0.index].headers } ?? []
        return HopByHop.names(head, in: bytes.span) + configured.map { $0.name.utf8.map(HTTPByte.folded) }
    }

    private func maximumBodyBytes(of destination: Destination?, _ backend: BackendID?) -> UInt64? {
        if case .local(.broadcast(let id)) = destination { return rules.cables[id.index].maximumBodyBytes }
        if destination?.command != nil { return Limits.commandBodyBytes }
        let service = backend ?? destination?.service
        let limits = service.map { rules.services[$0.index].limits } ?? rules.limits.service
        return limits.maximumBodyBytes
    }

    /// Returns the Origin that is not allowed to open a WebSocket, or nil. Browsers let any page connect anywhere with
    /// the cookies of the target, so the server checks before a backend wakes (RFC 6455, 10.2).
    private func refusedOrigin(
        of head: RequestHead, asking requested: UpgradeIntent, for id: BackendID, _ bytes: [UInt8]
    ) -> String? {
        guard requested == .webSocket, !rules.services[id.index].origins.contains(.any) else { return nil }
        let origins = head.values(of: .origin).map { String(bytes.span, $0) }
        return rules.services[id.index].origins.admits(origins) ? nil : origins.joined(separator: ", ")
    }

    /// Returns how long the backend's connection stays open after the response; nil closes it. After an upgrade request
    /// the client may already send frames, and an HTTP/1.0 backend may misread `keep-alive`.
    private func timeout(for head: RequestHead, asking requested: UpgradeIntent, at id: BackendID) -> Duration? {
        let isUsual = head.version == .http11 && head.wantsKeepAlive && requested != .webSocket
        return isUsual ? rules.services[id.index].limits.upstreamKeepAlive : nil
    }

    private func upstreamHead(
        of head: RequestHead, target: ArraySlice<UInt8>, authority: String, own: AddedHeaders, upgrade: UpgradeIntent,
        keepAlive: Bool, isCableClient: Bool, _ bytes: [UInt8]
    ) -> [UInt8] {
        var output: [UInt8] = []
        var removed = rules.trustedProxies.includes(peer) ? [] : ForwardedHeaders.spoofable
        // The daemon reads the messages of a cable's client, and knows no extension.
        if isCableClient { removed.append(Self.extensions) }
        HeadRewriter.request(
            head, in: bytes, target: target, own: own,
            without: removed, authority: authority,
            upgrade: upgrade, keepAlive: keepAlive,
            // An HTTP/1.0 client cannot read chunks, so its backend must not write any.
            version: head.version, into: &output)
        return output
    }

    private static let extensions = Array("sec-websocket-extensions".utf8)

    /// Returns the target for the backend; usually a slice of the original, without a copy.
    private func target(
        of head: RequestHead, _ path: ArraySlice<UInt8>, _ match: Match, _ targetPath: String?,
        _ bytes: [UInt8]
    ) -> ArraySlice<UInt8> {
        if targetPath == nil, !head.path.isEmpty {
            return bytes[head.path.lower..<(head.query?.upper ?? head.path.upper)]
        }
        let query = head.query.map { bytes[$0.indices] }
        return TargetRewriter.upstreamTarget(
            path: path.span, matched: match.matchedByteCount, targetPath: targetPath, query: query?.span)[...]
    }

    /// Returns the fields that the daemon adds; a configured field replaces one of the same name.
    private func addedFields(
        on head: RequestHead, _ identity: RequestIdentity, _ provenance: ForwardedHeaders, configured: [HeaderTemplate],
        _ bytes: [UInt8]
    ) -> AddedHeaders {
        var fields = AddedHeaders(exceptFor: configured.map(\.name))
        provenance.write(to: &fields, in: bytes)
        fields.add(.xRequestID) { identity.write(to: &$0, in: bytes) }
        if rules.addsVia {
            let earlier = head.values(of: .via).map { String(bytes.span, $0) }
            let version = head.version == .http11 ? "1.1" : "1.0"
            fields.add(.via, (earlier + ["\(version) ondemandd"]).joined(separator: ", "))
        }
        for template in configured {
            let host = head.host.map { String(bytes.span, $0) } ?? ""
            let value = template.value(remoteAddress: provenance.client, scheme: provenance.scheme, host: host)
            fields.set(template.name, value)
        }
        return fields
    }
}

extension Destination {
    /// The service of the request; nil where no service is configured for its path.
    var service: BackendID? {
        switch self {
        case .backend(let id), .disabled(let id): id
        case .local: nil
        }
    }

    fileprivate var cable: CableID? { if case .local(.cable(let id)) = self { id } else { nil } }

    /// The service that may get the request: of a cable its backend.
    fileprivate func backend(_ rules: ExchangeRules) -> BackendID? {
        switch self {
        case .backend(let id): id
        case .local(.cable(let id)): rules.cables[id.index].backend
        case .local, .disabled: nil
        }
    }

    /// The endpoint reads the body.
    /// Whether the query may have a secret: a client's token, or parameters of a run.
    fileprivate var hidesQuery: Bool { cable != nil || command != nil || self == .local(.control) }

    fileprivate var isLocal: Bool { if case .local = self { true } else { false } }

    fileprivate var needsBody: Bool {
        switch self {
        case .local(.broadcast), .local(.command): true
        case .local(.status), .local(.control), .local(.cable), .local(.run), .backend, .disabled: false
        }
    }

    fileprivate var command: CommandID? {
        switch self {
        case .local(.command(let id)), .local(.run(let id)): id
        case .local(.status), .local(.control), .local(.cable), .local(.broadcast), .backend, .disabled: nil
        }
    }
}

extension ForwardedRequest {
    /// What follows where no endpoint of the daemon comes first.
    var disposition: RequestReader.Disposition {
        guard parsed.refusedOrigin == nil else {
            return .reply(LocalReply(status: 403, body: "This Origin is not allowed to open a WebSocket."))
        }
        return .forward(self)
    }
}
