/// A PROXY protocol header, versions 1 and 2, with which a proxy names the client of a connection.
///
/// Parsing is strict, because programs write it: after a wrong byte the connection cannot be trusted.
struct ProxyHeader: Equatable, Sendable {
    /// nil where the proxy itself is the client (a health check) or does not know it.
    var client: SocketAddress?
    /// Whether the client used TLS to the proxy.
    var isEncrypted = false
    let byteCount: Int
}

enum ProxyHeaderError: Error, Equatable {
    /// The first bytes begin neither version.
    case missing
    case malformed
    case tooLong

    /// One sentence for the peer and the log.
    var reason: String {
        switch self {
        case .missing: "Connections to this address begin with a PROXY header."
        case .malformed: "The PROXY header is malformed."
        case .tooLong: "The PROXY header is too long."
        }
    }
}

extension ProxyHeader {
    /// Enough for version 2 with addresses, certificate names and a few extensions.
    static let maximumBytes = 2048
    /// `PROXY UNKNOWN` with the two longest IPv6 addresses and ports.
    static let maximumLineBytes = 107

    private static let line = Array("PROXY ".utf8)
    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    /// Returns the header once it is complete; nil needs the same bytes and more.
    static func examine(_ unread: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader? {
        guard unread.count > 0 else { return nil }
        let prefix = unread[0] == line[0] ? line : signature
        for index in 0..<min(prefix.count, unread.count) where unread[index] != prefix[index] { throw .missing }
        guard unread.count >= prefix.count else { return nil }
        return prefix == line ? try readLine(unread) : try readBlock(unread)
    }
}

// MARK: - Version 1: a line of text

extension ProxyHeader {
    private static func readLine(_ bytes: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader? {
        for index in line.count..<min(bytes.count, maximumLineBytes) {
            guard bytes[index] == HTTPByte.lineFeed else { continue }
            guard bytes[index - 1] == HTTPByte.carriageReturn else { throw .malformed }
            let text = ByteRange(line.count, index - 1)
            for position in text.indices where !(0x20...0x7e).contains(bytes[position]) { throw .malformed }
            return ProxyHeader(client: try client(in: String(bytes, text)), byteCount: index + 1)
        }
        guard bytes.count < maximumLineBytes else { throw .tooLong }
        return nil
    }

    /// `TCP4 192.0.2.1 198.51.100.1 40000 443`
    private static func client(in text: String) throws(ProxyHeaderError) -> SocketAddress? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        // The rest of the line is ignored.
        if words[0] == "UNKNOWN" { return nil }
        guard words.count == 5, let source = port(words[3]), port(words[4]) != nil else { throw .malformed }
        switch words[0] {
        case "TCP4":
            guard let octets = IPAddressText.ipv4(words[1]), IPAddressText.ipv4(words[2]) != nil else {
                throw .malformed
            }
            return .ipv4(octets: octets, port: source)
        case "TCP6":
            guard let octets = IPAddressText.ipv6(words[1]), IPAddressText.ipv6(words[2]) != nil else {
                throw .malformed
            }
            return .ipv6(octets: octets, port: source)
        default:
            throw .malformed
        }
    }

    private static func port(_ text: String) -> UInt16? {
        let isPlain = text.utf8.allSatisfy(HTTPByte.isDigit) && (text == "0" || !text.hasPrefix("0"))
        return isPlain ? UInt16(text) : nil
    }
}

// MARK: - Version 2: a block of bytes

extension ProxyHeader {
    private static let blockHeadBytes = 16

    private static func readBlock(_ bytes: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader? {
        guard bytes.count >= blockHeadBytes else { return nil }
        let end = blockHeadBytes + number(bytes, at: 14)
        guard end <= maximumBytes else { throw .tooLong }
        guard bytes.count >= end else { return nil }
        switch bytes[12] {
        case 0x20: return ProxyHeader(client: nil, byteCount: end)  // The proxy itself.
        case 0x21: break
        default: throw .malformed
        }
        guard let addressBytes = [0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216][Int(bytes[13])] else { throw .malformed }
        let extensions = blockHeadBytes + addressBytes
        guard extensions <= end else { throw .malformed }
        // Bytes behind addresses of an unknown family are ignored.
        guard addressBytes > 0 else { return ProxyHeader(client: nil, byteCount: end) }
        return ProxyHeader(
            client: client(bytes, family: bytes[13]),
            isEncrypted: try isEncrypted(bytes, ByteRange(extensions, end)), byteCount: end)
    }

    private static func client(_ bytes: Span<UInt8>, family: UInt8) -> SocketAddress {
        switch family {
        case 0x11: .ipv4(octets: octets(bytes, 4), port: UInt16(number(bytes, at: blockHeadBytes + 8)))
        case 0x21: .ipv6(octets: octets(bytes, 16), port: UInt16(number(bytes, at: blockHeadBytes + 32)))
        default: .unix(path: "")
        }
    }

    private static func octets(_ bytes: Span<UInt8>, _ count: Int) -> [UInt8] {
        (blockHeadBytes..<(blockHeadBytes + count)).map { bytes[$0] }
    }

    private static func number(_ bytes: Span<UInt8>, at offset: Int) -> Int {
        Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
    }

    /// Parses type-length-value entries; only the one for TLS is used.
    private static func isEncrypted(_ bytes: Span<UInt8>, _ range: ByteRange) throws(ProxyHeaderError) -> Bool {
        var isEncrypted = false
        var offset = range.lower
        while offset < range.upper {
            guard offset + 3 <= range.upper else { throw .malformed }
            let value = offset + 3
            let next = value + number(bytes, at: offset + 1)
            guard next <= range.upper else { throw .malformed }
            if bytes[offset] == 0x20 {
                guard next > value else { throw .malformed }
                isEncrypted = bytes[value] & 1 != 0
            }
            offset = next
        }
        return isEncrypted
    }
}
