/// Request path: parse, check and rewrite the head; reframe and forward the body.
extension ExchangeMachine {
    /// Reads the PROXY header, which names the client; nothing else on the connection is trusted before it.
    mutating func readProxyHeader() {
        do throws(ProxyHeaderError) {
            guard let header = try ProxyHeader.examine(inbound.span) else { return }
            peer = header.client?.unmapped ?? peer
            isEncrypted = header.isEncrypted
            inbound.removeFirst(header.byteCount)
            if inbound.isEmpty { inbound = [] }
            phase = .admitting
        } catch {
            respond(LocalReply(status: 400, body: error.reason), closing: true)
        }
    }

    /// Parses a head at the front of the unread bytes, if it is complete.
    mutating func readHead() {
        do {
            // A second reference, not a copy: the parser changes while it looks at the bytes.
            let unread = inbound
            guard let head = try headParser.examine(unread.span) else { return }
            try accept(head)
        } catch let error as HeadError {
            respond(LocalReply(refusing: error), closing: true)
        } catch let error as FramingError {
            respond(LocalReply(refusing: error), closing: true)
        } catch {
            preconditionFailure("\(error) is not a protocol error")
        }
    }

    private mutating func accept(_ head: RequestHead) throws {
        let isAboutServer = isAboutServer(head)
        let path = path(of: head)
        let match = isAboutServer ? nil : rules.routes.find(path.span)
        let backend = match?.destination.backend(rules)
        var limits = BodyLimits(maximumBytes: maximumBodyBytes(of: match?.destination, backend))
        let framing = try BodyFraming.ofRequest(head, in: inbound.span, limits: limits)
        if framing == .chunked { limits.removedTrailers = removedTrailers(of: head, for: backend) }
        let requested = try UpgradeIntent.of(head, in: inbound.span)
        let provenance = ForwardedHeaders(
            of: head, in: inbound.span, from: peer, isEncrypted: isEncrypted, trusting: rules.trustedProxies)
        let upgrade = mayUpgrade(to: match?.destination) ? requested : requested == .none ? .none : .ignored
        let identity = RequestIdentity(of: head, in: inbound.span, connection: identity, request: requestCount)
        var forwarding = Forwarding()
        var (denial, cable): (LocalReply?, CableUpgrade?)
        if case .local(let endpoint) = match?.destination {
            (denial, cable, forwarding.refusedOrigin) = Self.admission(
                to: endpoint, head, in: inbound.span, upgrade, provenance, from: peer, rules)
        }
        if let id = backend, denial == nil {
            forwarding.isSafe = isSafe(head)
            forwarding.keepsUpstream = timeout(for: head, asking: requested, at: id)
            forwarding.head = upstreamHead(
                of: head, target: target(of: head, path, match!, rules.services[id.index].targetPath),
                authority: rules.services[id.index].authority,
                own: addedFields(on: head, identity, provenance, configured: rules.services[id.index].headers),
                upgrade: upgrade, keepAlive: forwarding.keepsUpstream != nil, isCableClient: cable != nil)
            forwarding.mayWake = rules.services[id.index].wakeOn.allows(
                path: path.span, isUpgrade: upgrade == .webSocket
            ) { !head.values(of: $0, in: inbound.span).isEmpty }
            forwarding.refusedOrigin = refusedOrigin(of: head, asking: requested, for: id)
            cable?.backendHead = forwarding.head
        }
        let waitsForContinue = match?.destination.isBroadcast == true && head.has(.expect)
        // Built in one piece, because copying it is expensive.
        request = RequestInFlight(
            head: StoredHead(head, takenFrom: &inbound), service: backend ?? match?.destination.service,
            announcedClient: provenance.announcedClient, identity: identity, version: head.version,
            isHead: head.isHead, upgrade: upgrade, askedForTunnel: requested == .webSocket,
            wantsKeepAlive: head.wantsKeepAlive,
            body: BodyReader(
                framing, limits: limits, output: match?.destination.isBroadcast == true ? .content : .chunks),
            forwarding: forwarding, denial: denial, cable: cable, endpointCable: match?.destination.cable)
        if waitsForContinue, denial == nil, inbound.isEmpty, request?.body.isFinished == false {
            toClient.append(LocalReply.continueResponse)
        }
        if isAboutServer { replyForServer() } else { proceed(to: match?.destination) }
    }

    /// Returns whether the request is about the server: `OPTIONS *` (RFC 9110, 9.3.7), or `OPTIONS` with an absolute
    /// target without path and query (RFC 9112, 3.2.4).
    private func isAboutServer(_ head: RequestHead) -> Bool {
        guard head.form == .asterisk || head.form == .absolute && head.path.isEmpty && head.query == nil else {
            return false
        }
        return inbound.span.isExactly("OPTIONS", in: head.method)
    }

    /// Answers `OPTIONS *` with 204 for the daemon itself; no backend wakes.
    private mutating func replyForServer() {
        let context = LocalReply.ReplyContext(requestID: request?.id)
        served(LocalReply(status: 204, body: "").rendered(for: context, keepAlive: staysOpen, headOnly: false))
    }

    private mutating func proceed(to destination: Destination?) {
        switch destination {
        case nil:
            respond(LocalReply(status: 404, body: "No service is configured for this path."))
        case .disabled(let id):
            phase = .rejecting(id)
        case .backend(let id):
            guard request!.forwarding.refusedOrigin == nil else {
                return respond(LocalReply(status: 403, body: "This Origin is not allowed to open a WebSocket."))
            }
            phase = .acquiringBackend(id)
        case .local(let endpoint):
            proceed(to: endpoint)
        }
    }

    /// The response to a request that an endpoint does not admit, the handshake of a cable's client, and an origin that
    /// was rejected. Apart from `accept`, in which it would make the compiler copy the machine.
    @inline(never)
    private static func admission(
        to endpoint: Endpoint, _ head: RequestHead, in bytes: Span<UInt8>, _ upgrade: UpgradeIntent,
        _ provenance: ForwardedHeaders, from peer: SocketAddress, _ rules: ExchangeRules
    ) -> (denial: LocalReply?, cable: CableUpgrade?, origin: String?) {
        switch endpoint {
        case .status(let resource):
            let denial = rules.statusGuard.denial(
                to: resource, asking: String(bytes, head.method), head, in: bytes)
            return (denial, nil, nil)
        case .control: return (nil, nil, nil)
        case .broadcast(let id):
            return (rules.cables[id.index].denialOfBroadcast(head, in: bytes, from: peer), nil, nil)
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

    /// A client of a cable whose backend accepts clients itself, or a request that only the backend can serve.
    mutating func proceedToBackend() {
        guard let service = request?.service else { preconditionFailure("a cable without a backend") }
        guard request!.forwarding.refusedOrigin == nil else {
            return respond(LocalReply(status: 403, body: "This Origin is not allowed to open a WebSocket."))
        }
        phase = .acquiringBackend(service)
    }

    private mutating func proceed(to endpoint: Endpoint) {
        switch endpoint {
        case .status(let resource):
            guard resource == .service || request!.isHead || request!.head.isGet else {
                let allow = LocalReply.Field(name: "Allow", value: "GET, HEAD")
                return respond(LocalReply(status: 405, body: "Method not allowed; use GET.", fields: [allow]))
            }
            if let denial = request!.denial { return respond(denial) }
            phase = .serving(endpoint)
        case .control: phase = .serving(endpoint)
        case .cable:
            if let denial = request!.denial { return respond(denial) }
            if request!.cable == nil { proceedToBackend() } else { phase = .serving(endpoint) }
        case .broadcast:
            if let denial = request!.denial { return respond(denial) }
            endpointBody.removeAll()
            phase = .readingBody(endpoint)
            collectBody(for: endpoint)
        }
    }

    /// Moves body bytes to `endpointBody`; bytes behind the body belong to the next request.
    mutating func collectBody(for endpoint: Endpoint) {
        do {
            let count = try request!.body.pass(inbound[...], to: &endpointBody)
            inbound.removeFirst(count)
            if inbound.isEmpty { inbound = [] }
        } catch {
            return respond(LocalReply(refusing: error), closing: true)
        }
        if request!.body.isFinished { phase = .serving(endpoint) }
    }

    /// Returns the path; `http://host` means `/` (RFC 9110, 4.2.3).
    private func path(of head: RequestHead) -> ArraySlice<UInt8> {
        head.path.isEmpty ? [UInt8(ascii: "/")] : inbound[head.path.indices]
    }

    /// Returns whether the method is safe (RFC 9110, 9.2.1).
    private func isSafe(_ head: RequestHead) -> Bool {
        let bytes = inbound.span
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
    private func removedTrailers(of head: RequestHead, for backend: BackendID?) -> [[UInt8]] {
        let configured = backend.map { rules.services[$0.index].headers } ?? []
        return HopByHop.names(head, in: inbound.span) + configured.map { $0.name.utf8.map(HTTPByte.folded) }
    }

    private func maximumBodyBytes(of destination: Destination?, _ backend: BackendID?) -> UInt64? {
        if case .local(.broadcast(let id)) = destination { return rules.cables[id.index].maximumBodyBytes }
        let service = backend ?? destination?.service
        let limits = service.map { rules.services[$0.index].limits } ?? rules.limits.service
        return limits.maximumBodyBytes
    }

    /// Returns the Origin that is not allowed to open a WebSocket, or nil. Browsers let any page connect anywhere with
    /// the cookies of the target, so the server checks before a backend wakes (RFC 6455, 10.2).
    private func refusedOrigin(of head: RequestHead, asking requested: UpgradeIntent, for id: BackendID) -> String? {
        guard requested == .webSocket, !rules.services[id.index].origins.contains(.any) else { return nil }
        let origins = head.values(of: .origin).map { String(inbound.span, $0) }
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
        keepAlive: Bool, isCableClient: Bool
    ) -> [UInt8] {
        var output: [UInt8] = []
        var removed = rules.trustedProxies.includes(peer) ? [] : ForwardedHeaders.spoofable
        // The daemon reads the messages of a cable's client, and knows no extension.
        if isCableClient { removed.append(Self.extensions) }
        HeadRewriter.request(
            head, in: inbound, target: target, own: own,
            without: removed, authority: authority,
            upgrade: upgrade, keepAlive: keepAlive,
            // An HTTP/1.0 client cannot read chunks, so its backend must not write any.
            version: head.version, into: &output)
        return output
    }

    private static let extensions = Array("sec-websocket-extensions".utf8)

    /// Returns the target for the backend; usually a slice of the original, without a copy.
    private func target(
        of head: RequestHead, _ path: ArraySlice<UInt8>, _ match: Match, _ targetPath: String?
    ) -> ArraySlice<UInt8> {
        if targetPath == nil, !head.path.isEmpty {
            return inbound[head.path.lower..<(head.query?.upper ?? head.path.upper)]
        }
        let query = head.query.map { inbound[$0.indices] }
        return TargetRewriter.upstreamTarget(
            path: path.span, matched: match.matchedByteCount, targetPath: targetPath, query: query?.span)[...]
    }

    /// Returns the fields that the daemon adds; a configured field replaces one of the same name.
    private func addedFields(
        on head: RequestHead, _ identity: RequestIdentity, _ provenance: ForwardedHeaders, configured: [HeaderTemplate]
    ) -> AddedHeaders {
        var fields = AddedHeaders(exceptFor: configured.map(\.name))
        provenance.write(to: &fields, in: inbound)
        let bytes = inbound
        fields.add(.xRequestID) { identity.write(to: &$0, in: bytes) }
        if rules.addsVia {
            let earlier = head.values(of: .via).map { String(inbound.span, $0) }
            let version = head.version == .http11 ? "1.1" : "1.0"
            fields.add(.via, (earlier + ["\(version) ondemandd"]).joined(separator: ", "))
        }
        for template in configured {
            let host = head.host.map { String(inbound.span, $0) } ?? ""
            let value = template.value(remoteAddress: provenance.client, scheme: provenance.scheme, host: host)
            fields.set(template.name, value)
        }
        return fields
    }

    /// Forwards the unread part of the body; bytes behind the body belong to the next request.
    mutating func forwardBody() {
        guard !request!.body.isFinished, !inbound.isEmpty else { return }
        guard !upstreamRefusesMore else {
            inbound = []
            return
        }
        do {
            let count = try request!.body.pass(inbound[...], to: &toUpstream)
            inbound.removeFirst(count)
            if inbound.isEmpty { inbound = [] }
        } catch {
            // The client's error; the backend would wait for a body that never completes.
            failUpstream(LocalReply(refusing: error))
        }
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

    fileprivate var isBroadcast: Bool { if case .local(.broadcast) = self { true } else { false } }
}

/// What log lines and the status page show; computed only for queued requests.
extension ExchangeMachine.RequestInFlight {
    /// The path without the query, because queries may contain secrets.
    var shownPath: String {
        let target = line.split(separator: " ", maxSplits: 1).last ?? ""
        return (target.split(separator: "?", maxSplits: 1).first ?? "").shown
    }

    var shownAgent: String? { head.userAgent?[...].shown }
}

extension Substring {
    fileprivate var shown: String { String(decoding: utf8.prefix(Limits.shownBytes), as: UTF8.self) }
}
