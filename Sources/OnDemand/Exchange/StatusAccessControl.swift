/// Access control of the status listener: bearer token, `Host` and `Origin`.
///
/// Any page in a browser can send requests to this listener, but without the token. `Host` and `Origin` reveal such
/// requests: a name that an attacker resolves to this machine (DNS rebinding) is neither an address nor a configured
/// name.
struct StatusAccessControl: Equatable, Sendable {
    /// Without a token (nil) every client may read all facts, and no client may request an operation.
    var token: BearerToken?
    /// Allowed hosts besides addresses and `localhost`, in lower case.
    var names: [String] = []
    /// Whether this is a Unix socket, which no browser reaches.
    var isUnixSocket = false

    /// Returns the rejection of a request; nil where it is allowed.
    func denial(to resource: StatusResource, asking method: String, _ head: RequestHead, in bytes: Span<UInt8>)
        -> LocalReply?
    {
        guard resource.isGuarded else { return nil }
        let isOperation = resource == .service && method != "GET"
        if isOperation || token == nil, let host = disallowedHost(of: head, in: bytes) {
            return LocalReply(
                status: 421, body: "Host \(host.visible) is not allowed; add it to status.allowed_hosts.")
        }
        if let token {
            let values = head.values(of: .authorization).map { range in
                (range.lower..<range.upper).map { bytes[$0] }
            }
            guard token.matches(values) else {
                var refusal = Self.tokenIsMissing
                refusal.isWrongSecret = !values.isEmpty
                return refusal
            }
        }
        return isOperation ? denial(toOperation: head, in: bytes) : nil
    }

    private static let tokenIsMissing = LocalReply(
        status: 401, body: "Missing or invalid bearer token.",
        fields: [.init(name: "WWW-Authenticate", value: "Bearer")])

    private func denial(toOperation head: RequestHead, in bytes: Span<UInt8>) -> LocalReply? {
        guard token != nil else {
            return LocalReply(
                status: 403, body: "Operations are not allowed without status.token; use the control socket.")
        }
        let host = head.host.map { String(bytes, $0).lowercased() } ?? ""
        for origin in head.values(of: .origin).map({ String(bytes, $0).lowercased() }) {
            guard origin == "http://\(host)" || origin == "https://\(host)" else {
                return LocalReply(status: 403, body: "This Origin is not allowed to send operations.")
            }
        }
        let type = head.text(of: .contentType, in: bytes)?.lowercased().split(separator: ";").first
        guard type.map({ $0.filter { $0 != " " } }) == "application/json" else {
            return LocalReply(status: 415, body: "An operation needs the Content-Type application/json.")
        }
        return nil
    }

    /// Returns the host of the request, unless it is an address, `localhost` or a configured name.
    func disallowedHost(of head: RequestHead, in bytes: Span<UInt8>) -> String? {
        // Browsers always send one.
        guard !isUnixSocket, let range = head.host else { return nil }
        guard let parts = HostAndPort(range, in: bytes) else { return String(bytes, range) }
        let host = String(bytes, parts.host).lowercased()
        let isLocal = host == "localhost" || host.hasSuffix(".localhost")
        // A host in brackets is an IPv6 address, never a name (RFC 3986, 3.2.2).
        let isAddress = host.hasPrefix("[") || IPAddressText.ipv4(host) != nil
        return isLocal || isAddress || names.contains(host) ? nil : host
    }
}

extension String {
    /// The first 80 characters without control characters, safe for a terminal.
    fileprivate var visible: String { String(withoutControls.prefix(80)) }
}
