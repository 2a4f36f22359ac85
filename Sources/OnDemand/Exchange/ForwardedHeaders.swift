/// The forwarding headers of a request: its client, scheme and host, and the fields for the backend.
///
/// Only a trusted proxy may continue a chain; for other peers the chain begins here (RFC 7239, and the older
/// `X-Forwarded-` fields). A proxy uses one of the two families. Where it uses the older one, a `Forwarded` field comes
/// from the client: it is discarded and rebuilt from the others, so that both families agree.
struct ForwardedHeaders {
    /// The scheme between client and first trusted proxy: `http` or `https`.
    let scheme: String
    private let peer: SocketAddress
    /// The client that a trusted proxy names; nil where the peer is the client.
    private let proxyProtocol: IPAddress?
    private let host: Host
    private let chain: Chain

    /// The host that the client requested.
    private enum Host {
        /// Range in the head; nil without a `Host`.
        case inHead(ByteRange?)
        case quoted([UInt8])
    }

    /// The received chain, as ranges of field values.
    private enum Chain {
        /// The peer is not trusted: it is the client. Its text is made only on demand.
        case none
        /// Of `X-Forwarded-For`.
        case addresses([ByteRange])
        /// Of `Forwarded`.
        case forwarded([ByteRange])
    }

    init(
        of head: RequestHead, in bytes: Span<UInt8>, from peer: SocketAddress, isEncrypted: Bool = false,
        trusting proxies: TrustedProxies
    ) {
        self.peer = peer
        let ownScheme = isEncrypted ? "https" : "http"
        guard proxies.includes(peer) else {
            (scheme, proxyProtocol, host, chain) = (ownScheme, nil, .inHead(head.host), .none)
            return
        }
        var hops = ForwardedChain(trusting: proxies)
        guard !Self.speaksInOlderFamily(head, in: bytes) else {
            let addresses = head.values(of: .xForwardedFor)
            for value in addresses {
                bytes.forEachListElement(of: value) { hops.add(ForwardedText.address($0, in: bytes)) }
            }
            proxyProtocol = hops.client
            host = .inHead(Self.last(of: .xForwardedHost, head, in: bytes) ?? head.host)
            scheme = Self.scheme(Self.last(of: .xForwardedProto, head, in: bytes), in: bytes) ?? ownScheme
            chain = hops.isEmpty ? .none : .addresses(addresses)
            return
        }
        var values: [ByteRange] = []
        for value in head.values(of: .forwarded) {
            var read = hops
            let isWhole = ForwardedText.forEachElement(of: value, in: bytes) { element in
                let node = element.node.flatMap { ForwardedText.address($0, in: bytes) }
                read.add(node, host: element.host, scheme: element.scheme)
            }
            guard isWhole, !value.isEmpty else { continue }
            hops = read
            values.append(value)
        }
        proxyProtocol = hops.client
        host = hops.host.map { .quoted(ForwardedText.unquoted($0, in: bytes)) } ?? .inHead(head.host)
        scheme = Self.scheme(hops.scheme.map { ForwardedText.inside($0, in: bytes) }, in: bytes) ?? ownScheme
        chain = values.isEmpty ? .none : .forwarded(values)
    }

    /// Prefixes of names that an untrusted client must not send; `_` reads as `-`.
    static let spoofable = ["x-forwarded-", "forwarded", "x-real-ip"].map { Array($0.utf8) }

    private static func speaksInOlderFamily(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        for field in head.fields
        where bytes.beginsLike(spoofable[0], in: field.name) || bytes.beginsLike(spoofable[2], in: field.name) {
            return true
        }
        return false
    }

    /// Returns the last element of the last field: the nearest proxy wrote it.
    private static func last(of name: FieldName, _ head: RequestHead, in bytes: Span<UInt8>) -> ByteRange? {
        var last: ByteRange?
        for field in head.fields where field.known == name {
            bytes.forEachListElement(of: field.value) { last = $0 }
        }
        return last
    }

    /// The client, where it differs from the peer; else nil.
    var announcedClient: String? { proxyProtocol?.text }

    /// The client as in `$remote_addr`: a plain address.
    var client: String { announcedClient ?? peer.host }

    /// Adds the forwarding fields, which replace the client's own; `bytes` are the head's.
    func write(to fields: inout AddedHeaders, in bytes: [UInt8]) {
        if peer.port != nil || hasEarlierHops(in: bytes.span) {
            fields.add(.xForwardedFor) { value in
                writeEarlierAddresses(to: &value, in: bytes)
                if peer.port != nil {
                    if value.last != HTTPByte.space { value += ", ".utf8 }
                    peer.writeHost(to: &value)
                }
            }
        }
        fields.add(.xForwardedProto, scheme)
        let host = host(in: bytes)
        if let host { fields.add(.xForwardedHost) { $0 += host } }
        fields.add(.forwarded) { writeForwarded(host, to: &$0, in: bytes) }
    }

    /// The host that the client's request names; nil where none is named.
    func host(in bytes: Span<UInt8>) -> String? {
        switch host {
        case .inHead(let range): range.map { String(bytes, $0) }
        case .quoted(let text): String(decoding: text, as: UTF8.self)
        }
    }

    private func host(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
        switch host {
        case .inHead(let range): range.map { bytes[$0.indices] }
        case .quoted(let text): text[...]
        }
    }

    private func hasEarlierHops(in bytes: Span<UInt8>) -> Bool {
        switch chain {
        case .none: return false
        case .addresses: return true
        case .forwarded(let values):
            var hasNodes = false
            for value in values {
                ForwardedText.forEachElement(of: value, in: bytes) { hasNodes = hasNodes || $0.node != nil }
            }
            return hasNodes
        }
    }

    /// Writes the received chain as a list of addresses.
    private func writeEarlierAddresses(to output: inout [UInt8], in bytes: [UInt8]) {
        let span = bytes.span
        switch chain {
        case .none: break
        case .addresses(let values):
            for value in values {
                span.forEachListElement(of: value) { element in
                    if output.last != HTTPByte.space { output += ", ".utf8 }
                    Self.writeAddress(element, to: &output, in: bytes)
                }
            }
        case .forwarded(let values):
            for value in values {
                ForwardedText.forEachElement(of: value, in: span) { element in
                    guard let node = element.node else { return }
                    if output.last != HTTPByte.space { output += ", ".utf8 }
                    ForwardedText.writeElement(node, in: span, to: &output)
                }
            }
        }
    }

    /// Writes an address unchanged, except for an IPv4-mapped one, which becomes IPv4.
    private static func writeAddress(_ element: ByteRange, to output: inout [UInt8], in bytes: [UInt8]) {
        if bytes[element.lower] == HTTPByte.colon || bytes[element.lower] == UInt8(ascii: "["),
            let address = ForwardedText.address(element, in: bytes.span), address.isIPv4
        {
            return address.write(to: &output)
        }
        output += bytes[element.indices]
    }

    /// Writes `Forwarded`. Rack prefers it to the older fields, so it must agree with them even where the proxy sent
    /// only those.
    private func writeForwarded(_ host: ArraySlice<UInt8>?, to output: inout [UInt8], in bytes: [UInt8]) {
        switch chain {
        case .none: break
        case .addresses(let values):
            for value in values {
                bytes.span.forEachListElement(of: value) { element in
                    output += "for=".utf8
                    ForwardedText.writeNode(element, in: bytes.span, to: &output)
                    output += ", ".utf8
                }
            }
        case .forwarded(let values):
            for value in values {
                output += bytes[value.indices]
                output += ", ".utf8
            }
        }
        output += "for=".utf8
        switch peer {
        case .ipv4:
            peer.writeHost(to: &output)
        case .ipv6:
            output += "\"[".utf8
            peer.writeHost(to: &output)
            output += "]\"".utf8
        case .unix:
            output += "unknown".utf8
        }
        if let host {
            output += ";host=".utf8
            ForwardedText.write(host, to: &output)
        }
        output += ";proto=".utf8
        output += scheme.utf8
    }

    private static func scheme(_ name: ByteRange?, in bytes: Span<UInt8>) -> String? {
        guard let name else { return nil }
        if bytes.equals("https", in: name) || bytes.equals("wss", in: name) { return "https" }
        if bytes.equals("http", in: name) || bytes.equals("ws", in: name) { return "http" }
        return nil
    }
}
