/// The fields of one message that concern one connection only and go no further (RFC 9110, 7.6.1).
struct HopByHop {
    /// What `Connection` names beyond those that stay behind anyway.
    private let options: [ByteRange]

    init(_ head: some MessageHead, in bytes: Span<UInt8>) {
        var options: [ByteRange] = []
        for field in head.fields where field.known == .connection {
            bytes.forEachListElement(of: field.value) { option in
                if !FieldName(option, in: bytes).isHopByHop { options.append(option) }
            }
        }
        self.options = options
    }

    /// Whether this field stays behind.
    func covers(_ field: HeaderField, in bytes: Span<UInt8>) -> Bool {
        if field.known.isHopByHop { return true }
        for option in options where bytes.equals(option, field.name) { return !Self.isEssential(field.name, in: bytes) }
        return false
    }

    /// Names that `Connection` cannot remove. RFC 9110, 7.6.1 forbids listing fields meant for everybody; clients
    /// that do try to hide credentials, origins or forwarding fields from a backend that decides by them.
    static let essential = [
        "host", "transfer-encoding", "trailer", "expect", "authorization", "proxy-authorization", "cookie",
        "set-cookie", "origin", "referer", "cache-control", "pragma", "vary", "date", "age", "etag", "expires",
        "last-modified", "location", "range", "via", "forwarded", "x-real-ip", "x-request-id", "x-csrf-token",
        "strict-transport-security", "x-frame-options", "www-authenticate", "user-agent",
    ]
    static let essentialPrefixes = ["content-", "sec-", "x-forwarded-", "access-control-", "if-"]

    private static func isEssential(_ name: ByteRange, in bytes: Span<UInt8>) -> Bool {
        for kept in essential where bytes.equals(kept, in: name) { return true }
        for prefix in essentialPrefixes where bytes.hasPrefix(prefix, in: name) { return true }
        return false
    }
}

extension FieldName {
    /// Whether it never goes further than one connection.
    ///
    /// `TE` too: its one useful word, `trailers`, would be a promise about our connection, and trailers pass anyway.
    /// `HTTP2-Settings` means nothing without the h2c upgrade that is never passed (RFC 9113, 3.1). `Close` is a
    /// reserved name (RFC 9110, 18.4): our own `Connection: close` would name it as ours.
    var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .te, .upgrade, .http2Settings, .close: true
        default: false
        }
    }
}
