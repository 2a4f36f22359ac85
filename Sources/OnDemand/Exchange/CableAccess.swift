/// The conditions under which requests reach a cable: shared by all connections of a listener.
struct CableAccess: Sendable {
    /// The pages that may open a WebSocket here.
    enum Origins: Equatable, Sendable {
        /// Pages of the host that the request names; requests without Origin, which no browser sends.
        case sameOrigin
        case listed([OriginRule])
    }

    /// The publishers that may broadcast.
    enum Publishers: Equatable, Sendable {
        /// Every peer: the listener itself is private.
        case all
        /// Programs of this machine: peers on loopback or a Unix socket whose request passed no proxy.
        case local
        case holders(of: BearerToken)
        /// Operators on the status listener: a broadcast is an operation.
        case operators(StatusAccessControl)
    }

    struct Tokens: Sendable {
        let verifier: ClientTokenVerifier
        /// Name of the query parameter.
        let parameter: [UInt8]
        let isRequired: Bool
    }

    let name: String
    /// The service that serves what the cable does not; nil without one.
    var backend: BackendID?
    /// The backend accepts each new client; otherwise the daemon does.
    var backendAccepts = false
    /// The ENABLE flag: off answers 503.
    var isEnabled = true
    var actionCable = true
    var turboCable = true
    var origins = Origins.sameOrigin
    /// nil: no status listener is configured.
    var statusPage: StatusPageOrigins?
    /// nil: every client is accepted without a token.
    var tokens: Tokens?
    var publishers = Publishers.local
    var maximumBodyBytes: UInt64 = 1024 * 1024
    /// Clients at once; nil is no limit.
    var maximumConnections: Int?

    /// For a number that no cable has.
    static let unknown = CableAccess(name: "", actionCable: false, turboCable: false, publishers: .local)
}

// MARK: - Broadcasts

extension CableAccess {
    /// The response to a request that may not broadcast; nil for one that may. The body has not been read yet.
    func denialOfBroadcast(_ head: RequestHead, in bytes: Span<UInt8>, from peer: SocketAddress) -> LocalReply? {
        // An operator's token first: without it no response says which cables there are.
        if case .operators(let control) = publishers,
            let denial = control.denial(to: .service, asking: String(bytes, head.method), head, in: bytes)
        {
            return denial
        }
        guard isEnabled else { return disabled }
        switch publishers {
        case .all, .operators: break
        case .local:
            guard Self.isLocal(peer), !Self.passedProxy(head, in: bytes) else {
                return LocalReply(
                    status: 403,
                    body: "Broadcasts without a key are accepted from this machine only, not through a proxy.")
            }
            guard !Self.isOfForeignPage(head, in: bytes) else {
                return LocalReply(
                    status: 403, body: "Broadcasts without a key are not accepted from pages of other origins.")
            }
        case .holders(let key):
            let values = head.values(of: .authorization).map { [UInt8](copying: bytes.extracting($0.indices)) }
            guard key.matches(values) else {
                var denial = LocalReply(
                    status: 401, body: "Missing or invalid bearer token.",
                    fields: [.init(name: "WWW-Authenticate", value: "Bearer")])
                denial.isWrongSecret = !values.isEmpty
                return denial
            }
        }
        guard bytes.isExactly("POST", in: head.method) else {
            return LocalReply(
                status: 405, body: "Method not allowed; use POST.", fields: [.init(name: "Allow", value: "POST")])
        }
        return nil
    }

    /// The response to every request while the cable is disabled.
    var disabled: LocalReply { LocalReply(status: 503, body: "The cable \"\(name)\" is disabled.") }

    private static func isLocal(_ peer: SocketAddress) -> Bool {
        switch peer {
        case .unix: true
        case .ipv4, .ipv6: peer.unmapped.isLoopback
        }
    }

    /// A browser on this machine sends what any page tells it to, with the page's origin. Only a page of the host that
    /// the request names may broadcast, and only if that is an address or `localhost`: a name may be resolved to this
    /// machine by its owner (DNS rebinding).
    private static func isOfForeignPage(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        let origins = head.values(of: .origin).map { String(bytes, $0).lowercased() }
        guard !origins.isEmpty else { return false }
        guard let host = head.host, StatusAccessControl().disallowedHost(of: head, in: bytes) == nil else {
            return true
        }
        let name = String(bytes, host).lowercased()
        return !origins.allSatisfy { $0 == "http://\(name)" || $0 == "https://\(name)" }
    }

    /// A field that proxies add: the peer's address is then the proxy's and proves nothing about the publisher.
    private static func passedProxy(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        if head.has(.forwarded) || head.has(.via) { return true }
        for field in head.fields
        where ForwardedHeaders.spoofable.contains(where: { bytes.beginsLike($0, in: field.name) }) { return true }
        return false
    }
}

// MARK: - Origins

extension CableAccess.Origins {
    /// Whether a request with these Origin fields may open a WebSocket. `host` and `scheme` are those of the request.
    func admit(_ origins: [String], host: String?, scheme: String) -> Bool {
        switch self {
        case .listed(let rules): return rules.admits(origins)
        case .sameOrigin:
            // Browsers always send one Origin (RFC 6455, 4.1), so a request without is not from a page.
            guard let origin = origins.first else { return true }
            guard origins.count == 1, let host else { return false }
            let own = "\(scheme)://\(host.lowercased())"
            return origin.lowercased() == Self.withoutUsualPort(own, scheme: scheme)
        }
    }

    /// Browsers leave out the port that a scheme implies (RFC 6454, 6.2).
    private static func withoutUsualPort(_ origin: String, scheme: String) -> String {
        let suffix = scheme == "https" ? ":443" : ":80"
        return origin.hasSuffix(suffix) ? String(origin.dropLast(suffix.count)) : origin
    }
}
