/// Where a request came from, as far as that is known, and what its backend is told about it.
///
/// What a client says about itself counts only when it comes through a trusted proxy: then the chain is continued, else
/// it begins here (RFC 7239, and the `X-Forwarded-` fields that were there before it). A proxy speaks in one of the two
/// families. Where it speaks in the older one, a `Forwarded` beside it is what the client wrote, and counts for
/// nothing: it is written anew from the others, so that both tell one story.
struct ForwardedHeaders {
    /// How the client asked the first of the trusted: `http` or `https`.
    let scheme: String
    private let peer: SocketAddress
    /// The client, where the peer is a trusted proxy that names it.
    private let proxyProtocol: IPAddress?
    private let host: Host
    private let chain: Chain

    /// Which host was asked for.
    private enum Host {
        /// Where the head names it; nil where it does not.
        case inHead(ByteRange?)
        case quoted([UInt8])
    }

    /// The chain to be continued: values of fields.
    private enum Chain {
        /// The peer is a stranger: then it is the client, and no text is made before somebody wants one.
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

    /// What an untrusted client may not say: names that begin so, `_` read as `-`.
    static let spoofable = ["x-forwarded-", "forwarded", "x-real-ip"].map { Array($0.utf8) }

    private static func speaksInOlderFamily(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        for field in head.fields
        where bytes.beginsLike(spoofable[0], in: field.name) || bytes.beginsLike(spoofable[2], in: field.name) {
            return true
        }
        return false
    }

    /// What the nearest proxy wrote: the last element of the last field.
    private static func last(of name: FieldName, _ head: RequestHead, in bytes: Span<UInt8>) -> ByteRange? {
        var last: ByteRange?
        for field in head.fields where field.known == name {
            bytes.forEachListElement(of: field.value) { last = $0 }
        }
        return last
    }

    /// The client, where it differs from the peer.
    var announcedClient: String? { proxyProtocol?.text }

    /// The client, as `$remote_addr` shows it: an address and nothing else.
    var client: String { announcedClient ?? peer.host }

    /// For the backend, in the place of the client's own; `bytes` are the head's.
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

    /// As a list.
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

    /// As it came, except that an IPv4 address is written as one.
    private static func writeAddress(_ element: ByteRange, to output: inout [UInt8], in bytes: [UInt8]) {
        if bytes[element.lower] == HTTPByte.colon || bytes[element.lower] == UInt8(ascii: "["),
            let address = ForwardedText.address(element, in: bytes.span), address.isIPv4
        {
            return address.write(to: &output)
        }
        output += bytes[element.indices]
    }

    /// Rack prefers this field to the others, so it must tell the same story even where the proxy before us spoke only
    /// in the old ones.
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
