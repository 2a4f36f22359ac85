/// The fields of one message that concern one connection only and go no further (RFC 9110, 7.6.1).
struct HopByHop {
    private let options: [ByteRange]

    init(_ head: some MessageHead, in bytes: Span<UInt8>) {
        options = head.elements(of: "connection", in: bytes)
    }

    /// Whether a field with this name stays behind.
    func covers(_ name: ByteRange, in bytes: Span<UInt8>) -> Bool {
        for dropped in Self.always where bytes.equals(dropped, in: name) { return true }
        for option in options where bytes.equals(option, name) { return !Self.isEssential(name, in: bytes) }
        return false
    }

    /// `TE` too: its one useful word, `trailers`, would be a promise about our connection, and trailers pass anyway.
    /// `HTTP2-Settings` means nothing without the h2c upgrade that is never passed (RFC 9113, 3.1). `Close` is a
    /// reserved name (RFC 9110, 18.4): our own `Connection: close` would name it as ours.
    static let always = ["connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "close"]

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
