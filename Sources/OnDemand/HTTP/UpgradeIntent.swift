/// What a request asks its connection to become (RFC 9110, 7.8).
enum UpgradeIntent: Equatable, Sendable {
    case none
    /// A well-formed opening handshake (RFC 6455, 4.2.1).
    case webSocket
    /// Something else, such as h2c, or not asked properly: the field goes no further and the request is an
    /// ordinary one, as a server may always treat it.
    case ignored

    static func of(_ head: RequestHead, in bytes: Span<UInt8>) throws(HeadError) -> UpgradeIntent {
        guard head.has(.upgrade) else { return .none }
        // In HTTP/1.0, and without `Connection: upgrade`, the field must be ignored (RFC 9110, 7.8).
        guard head.version == .http11, head.has("upgrade", in: .connection, of: bytes),
            head.has("websocket", in: .upgrade, of: bytes)
        else { return .ignored }
        try checkHandshake(head, in: bytes)
        return .webSocket
    }

    /// Whether the backend agreed: only then do the two connections become one tunnel (RFC 6455, 4.1).
    ///
    /// That its `Sec-WebSocket-Accept` answers the key is for the caller to check.
    static func isSwitchToWebSocket(_ head: ResponseHead, in bytes: Span<UInt8>) -> Bool {
        guard head.status == 101, head.version == .http11, head.has("upgrade", in: .connection, of: bytes) else {
            return false
        }
        var (protocols, isNamed) = (0, false)
        for field in head.fields where field.known == .upgrade {
            bytes.forEachListElement(of: field.value) { name in
                protocols += 1
                isNamed = bytes.equals("websocket", in: name)
            }
        }
        return protocols == 1 && isNamed
    }

    /// RFC 6455, 4.2.1. A half-asked upgrade is refused, not relayed: a lenient backend might switch
    /// while we still read HTTP, and what follows would be smuggled.
    private static func checkHandshake(_ head: RequestHead, in bytes: Span<UInt8>) throws(HeadError) {
        guard bytes.equals("GET", in: head.method), bytes[head.method.lower] == UInt8(ascii: "G") else {
            throw .upgradeNotGet
        }
        guard let version = head.onlyValue(of: .secWebSocketVersion) else { throw .upgradeVersionMissing }
        guard bytes.equals("13", in: version) else { throw .upgradeVersionUnsupported }
        guard let key = head.onlyValue(of: .secWebSocketKey) else { throw .upgradeKeyMissing }
        guard isKey(key, in: bytes) else { throw .upgradeKeyInvalid }
        guard !head.has(.transferEncoding) else { throw .upgradeWithBody }
        for length in head.values(of: .contentLength) where !bytes.equals("0", in: length) {
            throw .upgradeWithBody
        }
    }

    /// Sixteen bytes in base64: 22 digits and two signs of padding (RFC 4648, 4).
    private static func isKey(_ range: ByteRange, in bytes: Span<UInt8>) -> Bool {
        guard range.count == 24, bytes.equals("==", in: ByteRange(range.upper - 2, range.upper)) else {
            return false
        }
        for index in range.lower..<(range.upper - 2) {
            let byte = bytes[index]
            let isAlphanumeric = HTTPByte.isLetter(byte) || HTTPByte.isDigit(byte)
            guard isAlphanumeric || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/") else { return false }
        }
        return true
    }
}
