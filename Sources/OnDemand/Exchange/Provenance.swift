/// Where a request came from, as far as that is known, and what its backend is told about it.
///
/// What a client says about itself counts only when it comes through a trusted proxy: then the chain is continued,
/// else it begins here (RFC 7239, and the `X-Forwarded-` fields that were there before it).
struct Provenance {
    /// How the client asked the first of the trusted: `http` or `https`.
    let scheme: String
    private let peer: SocketAddress
    /// Where the head names the host that was asked for.
    private let ownHost: ByteRange?
    /// nil where the peer is a stranger: then it is the client, and no text is made before somebody wants one.
    private let told: Told?

    /// What a trusted proxy says.
    private struct Told {
        var client: String?
        var chain: [String]
        var host: String?
        /// `Forwarded` as it came.
        var forwarded: [String]
    }

    init(
        of head: RequestHead, in bytes: Span<UInt8>, from peer: SocketAddress, isEncrypted: Bool = false,
        trusting proxies: TrustedProxies
    ) {
        self.peer = peer
        ownHost = head.host
        let ownScheme = isEncrypted ? "https" : "http"
        guard proxies.includes(peer) else {
            (told, scheme) = (nil, ownScheme)
            return
        }
        let addresses = Self.texts(head.elements(of: .xForwardedFor, in: bytes), bytes)
        let forwarded = Self.texts(head.values(of: .forwarded), bytes)
        let elements = ForwardedText.elements(of: forwarded)
        let chain = addresses.isEmpty ? elements.compactMap { $0["for"] } : addresses
        let hosts = Self.texts(head.values(of: .xForwardedHost), bytes)
        told = Told(
            client: Self.client(of: chain, proxies), chain: chain,
            host: hosts.last ?? elements.first { $0["host"] != nil }?["host"], forwarded: forwarded)
        scheme =
            Self.scheme(Self.texts(head.elements(of: .xForwardedProto, in: bytes), bytes).last)
            ?? Self.scheme(elements.last { $0["proto"] != nil }?["proto"]) ?? ownScheme
    }

    /// What an untrusted client may not say: names that begin so, `_` read as `-`.
    static let spoofable = ["x-forwarded-", "forwarded", "x-real-ip"].map { Array($0.utf8) }

    /// Who asks, where that is another one than the peer: the last in the chain that is no trusted proxy.
    var announcedClient: String? { told?.client }

    /// Who asks, as `$remote_addr` shows it.
    var client: String { announcedClient ?? peer.host }

    /// For the backend, in the place of the client's own; `bytes` are the head's.
    func write(to fields: inout OwnFields, in bytes: [UInt8]) {
        let chain = told?.chain ?? []
        if peer.port != nil || !chain.isEmpty {
            fields.add(.xForwardedFor) { value in
                Self.write(chain, to: &value)
                guard peer.port != nil else { return }
                if !chain.isEmpty { value += ", ".utf8 }
                peer.writeHost(to: &value)
            }
        }
        fields.add(.xForwardedProto, scheme)
        let host = told?.host.map { Array($0.utf8)[...] } ?? ownHost.map { bytes[$0.indices] }
        if let host { fields.add(.xForwardedHost) { $0 += host } }
        fields.add(.forwarded) { writeForwarded(host, to: &$0) }
    }

    /// Rack prefers this field to the others, so it must tell the same story even where the proxy before us spoke only
    /// in the old ones.
    private func writeForwarded(_ host: ArraySlice<UInt8>?, to output: inout [UInt8]) {
        if let told, !told.chain.isEmpty || !told.forwarded.isEmpty {
            let earlier =
                told.forwarded.isEmpty ? told.chain.map { "for=\(ForwardedText.node($0))" } : told.forwarded
            Self.write(earlier, to: &output)
            output += ", ".utf8
        }
        output += "for=".utf8
        writeNode(to: &output)
        if let host {
            output += ";host=".utf8
            ForwardedText.write(host, to: &output)
        }
        output += ";proto=".utf8
        output += scheme.utf8
    }

    /// RFC 7239, 6.
    private func writeNode(to output: inout [UInt8]) {
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
    }

    /// As a list.
    private static func write(_ elements: [String], to output: inout [UInt8]) {
        for (place, element) in elements.enumerated() {
            if place > 0 { output += ", ".utf8 }
            output += element.utf8
        }
    }

    private static func texts(_ ranges: [ByteRange], _ bytes: Span<UInt8>) -> [String] {
        ranges.map { String(bytes, $0) }
    }

    /// Walks from the nearest to the farthest; whatever is no address cannot be trusted either.
    private static func client(of chain: [String], _ proxies: TrustedProxies) -> String? {
        for text in chain.reversed() {
            guard let octets = ForwardedText.address(text) else { return text }
            guard proxies.includes(octets) else { return text }
        }
        return chain.first
    }

    private static func scheme(_ text: String?) -> String? {
        switch text?.lowercased() {
        case "http", "ws": "http"
        case "https", "wss": "https"
        default: nil
        }
    }
}

/// The grammar of `Forwarded` (RFC 7239, 4), as far as a chain is read from it or continued in it.
enum ForwardedText {
    /// Each element's parameters, names in lower case; what is no parameter is passed over.
    static func elements(of values: [String]) -> [[String: String]] {
        values.flatMap { split($0, at: UInt8(ascii: ",")) }.map { element in
            var parameters: [String: String] = [:]
            for pair in split(element, at: UInt8(ascii: ";")) {
                let parts = pair.split(separator: "=", maxSplits: 1).map { trimmed(String($0)) }
                if parts.count == 2 { parameters[parts[0].lowercased()] = unquoted(parts[1]) }
            }
            return parameters
        }
    }

    /// An address as a node: IPv6 in brackets and quotes (RFC 7239, 6).
    static func node(_ text: String) -> String {
        let isBare = text.utf8.contains(UInt8(ascii: ":")) && !text.hasPrefix("[") && address(text)?.count == 16
        return value(isBare ? "[\(text)]" : text)
    }

    /// A token as it is, anything else in quotes.
    static func value(_ text: String) -> String {
        var bytes: [UInt8] = []
        write(Array(text.utf8)[...], to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The same for a field that is being written.
    static func write(_ value: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard value.isEmpty || !value.allSatisfy(HTTPByte.isToken) else {
            output += value
            return
        }
        output.append(UInt8(ascii: "\""))
        for byte in value {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { output.append(UInt8(ascii: "\\")) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }

    /// The address in a node's name, without its brackets and its port.
    static func address(_ node: String) -> [UInt8]? {
        if let octets = IPAddressText.ipv4(node) ?? IPAddressText.ipv6(node) { return octets }
        if node.hasPrefix("["), let end = node.firstIndex(of: "]") {
            return IPAddressText.ipv6(String(node[..<end].dropFirst()))
        }
        return node.split(separator: ":", maxSplits: 1).first.flatMap { IPAddressText.ipv4(String($0)) }
    }

    /// Outside of quotes.
    private static func split(_ text: String, at separator: UInt8) -> [String] {
        var parts: [[UInt8]] = [[]]
        var isQuoted = false
        var isEscaped = false
        for byte in text.utf8 {
            if byte == separator, !isQuoted {
                parts.append([])
                continue
            }
            if byte == UInt8(ascii: "\""), !isEscaped { isQuoted.toggle() }
            isEscaped = isQuoted && !isEscaped && byte == UInt8(ascii: "\\")
            parts[parts.count - 1].append(byte)
        }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func trimmed(_ text: String) -> String {
        let bytes = Array(text.utf8)
        return String(bytes.span, bytes.span.trimmed(ByteRange(0, bytes.count)))
    }

    private static func unquoted(_ text: String) -> String {
        guard text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return text }
        var plain: [UInt8] = []
        var isEscaped = false
        for byte in text.dropFirst().dropLast().utf8 {
            isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
            if !isEscaped { plain.append(byte) }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
