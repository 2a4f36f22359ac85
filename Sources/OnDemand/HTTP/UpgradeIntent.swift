/// The protocol upgrade that a request asks for (RFC 9110, 7.8).
enum UpgradeIntent: Equatable, Sendable {
    case none
    /// A well-formed opening handshake (RFC 6455, 4.2.1).
    case webSocket
    /// Another protocol such as h2c, or a malformed request for one: the field is removed and the request is an
    /// ordinary one, which is always allowed.
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

    /// Returns whether the backend agreed, which turns the two connections into a tunnel (RFC 6455, 4.1).
    ///
    /// The caller checks `Sec-WebSocket-Accept`.
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

    /// Checks the handshake (RFC 6455, 4.2.1). A malformed upgrade is rejected, not relayed: a lenient backend might
    /// switch while we still read HTTP, and the following bytes would be smuggled.
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

    /// Returns whether this is 16 bytes in base64: 22 digits and two padding signs (RFC 4648, 4).
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
