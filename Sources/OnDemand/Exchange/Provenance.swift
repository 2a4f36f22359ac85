/// Where a request came from, as far as that is known, and what its backend is told about it.
///
/// What a client says about itself counts only when it comes through a trusted proxy: then the chain is continued,
/// else it begins here (RFC 7239, and the `X-Forwarded-` fields that were there before it).
struct Provenance: Equatable {
    typealias Field = (name: String, value: String)

    /// Who asks: the last in the chain that is no trusted proxy, as `$remote_addr` shows it.
    let client: String
    /// `http` or `https`: how the client asked the first of the trusted.
    let scheme: String
    private let chain: [String]
    private let host: String?
    private let peer: SocketAddress
    /// Its address as text, which is asked for more than once.
    private let peerText: String
    /// `Forwarded` as a trusted proxy sent it.
    private let forwarded: [String]

    init(
        of head: RequestHead, in bytes: Span<UInt8>, from peer: SocketAddress, isEncrypted: Bool = false,
        trusting proxies: TrustedProxies
    ) {
        let ownHost = head.host.map { String(bytes, $0) }
        self.peer = peer
        peerText = peer.host
        guard proxies.includes(peer) else {
            (client, chain, forwarded, host) = (peerText, [], [], ownHost)
            scheme = isEncrypted ? "https" : "http"
            return
        }
        let told = Self.texts(head.elements(of: .xForwardedFor, in: bytes), bytes)
        forwarded = Self.texts(head.values(of: .forwarded), bytes)
        let elements = ForwardedText.elements(of: forwarded)
        chain = told.isEmpty ? elements.compactMap { $0["for"] } : told
        client = Self.client(of: chain, proxies) ?? peerText
        scheme =
            Self.scheme(Self.texts(head.elements(of: .xForwardedProto, in: bytes), bytes).last)
            ?? Self.scheme(elements.last { $0["proto"] != nil }?["proto"]) ?? (isEncrypted ? "https" : "http")
        let named = Self.texts(head.values(of: .xForwardedHost), bytes)
        host = named.last ?? elements.first { $0["host"] != nil }?["host"] ?? ownHost
    }

    static func == (left: Provenance, right: Provenance) -> Bool {
        left.client == right.client && left.scheme == right.scheme
            && left.fields.elementsEqual(right.fields, by: { $0 == $1 })
    }

    /// What an untrusted client may not say; names that begin so, `_` read as `-`.
    static let spoofable = ["x-forwarded-", "forwarded", "x-real-ip"]

    /// How many fields a backend is told, at most: these and the two that belong to a request.
    private static let count = 6

    /// For the backend, in the place of the client's own.
    var fields: [Field] {
        var fields: [Field] = []
        fields.reserveCapacity(Self.count)
        let addresses = peer.port == nil ? chain : chain.isEmpty ? [peerText] : chain + [peerText]
        if !addresses.isEmpty { fields.append(("X-Forwarded-For", Self.list(addresses))) }
        fields.append(("X-Forwarded-Proto", scheme))
        if let host { fields.append(("X-Forwarded-Host", host)) }
        fields.append(("Forwarded", forwardedValue))
        return fields
    }

    /// Rack prefers this field to the others, so it must tell the same story even where the proxy before us spoke only
    /// in the old ones.
    private var forwardedValue: String {
        let earlier = forwarded.isEmpty ? chain.map { "for=\(ForwardedText.node($0))" } : forwarded
        var own = "for=\(node)"
        if let host { own += ";host=\(ForwardedText.value(host))" }
        own += ";proto=\(scheme)"
        return earlier.isEmpty ? own : Self.list(earlier + [own])
    }

    /// Most often there is one.
    private static func list(_ elements: [String]) -> String {
        elements.count == 1 ? elements[0] : elements.joined(separator: ", ")
    }

    /// RFC 7239, 6.
    private var node: String {
        switch peer {
        case .ipv4: peerText
        case .ipv6: "\"[\(peerText)]\""
        case .unix: "unknown"
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
        guard text.isEmpty || !text.utf8.allSatisfy(HTTPByte.isToken) else { return text }
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { quoted.append(UInt8(ascii: "\\")) }
            quoted.append(byte)
        }
        return String(decoding: quoted + [UInt8(ascii: "\"")], as: UTF8.self)
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
