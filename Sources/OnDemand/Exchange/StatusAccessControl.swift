/// Who may ask the status listener for what.
///
/// Any page that a browser shows can make it ask here. It cannot make it name a token that the page does not know, and
/// the browser says whom it believes to ask (`Host`) and who made it (`Origin`): a name that somebody has pointed at
/// this machine is neither an address nor one of ours.
struct StatusAccessControl: Equatable, Sendable {
    /// Without one, whoever can connect is told everything, and gives no orders.
    var token: BearerToken?
    /// What the listener is called besides its address and `localhost`, in lower case.
    var names: [String] = []
    /// A Unix socket: no browser gets there.
    var isUnixSocket = false

    /// What is to be said instead of the answer; nil where nothing is in the way.
    func denial(to resource: StatusResource, asking method: String, _ head: RequestHead, in bytes: Span<UInt8>)
        -> LocalReply?
    {
        guard resource.isGuarded else { return nil }
        let isOrder = resource == .service && method != "GET"
        if isOrder || token == nil, let stranger = strangeHost(of: head, in: bytes) {
            return LocalReply(
                status: 421, body: "This is not \(stranger.visible); to be called so, it has to stand in status.names.")
        }
        if let token {
            let values = head.values(of: .authorization).map { range in
                (range.lower..<range.upper).map { bytes[$0] }
            }
            guard token.isNamed(by: values) else {
                var refusal = Self.tokenIsMissing
                refusal.isWrongSecret = !values.isEmpty
                return refusal
            }
        }
        return isOrder ? denial(toOrder: head, in: bytes) : nil
    }

    private static let tokenIsMissing = LocalReply(
        status: 401, body: "This is told to those who name the token of the configuration.",
        fields: [.init(name: "WWW-Authenticate", value: "Bearer")])

    private func denial(toOrder head: RequestHead, in bytes: Span<UInt8>) -> LocalReply? {
        guard token != nil else {
            return LocalReply(
                status: 403, body: "Orders are taken here where status.token is configured, and on the control socket.")
        }
        let host = head.host.map { String(bytes, $0).lowercased() } ?? ""
        for origin in head.values(of: .origin).map({ String(bytes, $0).lowercased() }) {
            guard origin == "http://\(host)" || origin == "https://\(host)" else {
                return LocalReply(status: 403, body: "This page may not give orders here.")
            }
        }
        let type = head.text(of: .contentType, in: bytes)?.lowercased().split(separator: ";").first
        guard type.map({ $0.filter { $0 != " " } }) == "application/json" else {
            return LocalReply(status: 415, body: "An order has the Content-Type application/json.")
        }
        return nil
    }

    /// The host that was asked for, unless it is an address, `localhost` or one of our names.
    private func strangeHost(of head: RequestHead, in bytes: Span<UInt8>) -> String? {
        // Browsers always name one.
        guard !isUnixSocket, let range = head.host else { return nil }
        guard let parts = HostAndPort(range, in: bytes) else { return String(bytes, range) }
        let host = String(bytes, parts.host).lowercased()
        let isLocal = host == "localhost" || host.hasSuffix(".localhost")
        // A name in brackets there is none (RFC 3986, 3.2.2).
        let isAddress = host.hasPrefix("[") || IPAddressText.ipv4(host) != nil
        return isLocal || isAddress || names.contains(host) ? nil : host
    }
}

extension String {
    /// What a stranger wrote, for an answer: its beginning, without what would command a terminal.
    fileprivate var visible: String { String(withoutControls.prefix(80)) }
}
