/// Recognises, byte by byte and without keeping them, trailer fields that may only stand in the header.
///
/// A backend that merges trailers into its header would take framing, routing or credentials from the end of a
/// body (RFC 9110, 6.5.1).
struct TrailerName {
    static let forbidden = [
        "transfer-encoding", "content-length", "host", "connection", "upgrade", "te", "trailer", "expect",
        "content-type", "content-encoding", "content-range", "cache-control", "range", "max-forwards",
        "authorization", "proxy-authorization", "cookie", "set-cookie", "location", "retry-after",
        "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-request-id",
    ]

    /// One bit for every forbidden name that still agrees with the bytes so far.
    private var agreeing: UInt32 = .max
    private var count = 0

    mutating func append(_ byte: UInt8) {
        for (index, name) in Self.forbidden.enumerated() where agreeing & (1 << UInt32(index)) != 0 {
            let utf8 = name.utf8
            let next = utf8.index(utf8.startIndex, offsetBy: count, limitedBy: utf8.endIndex) ?? utf8.endIndex
            if next == utf8.endIndex || utf8[next] != HTTPByte.folded(byte) { agreeing &= ~(1 << UInt32(index)) }
        }
        count += 1
    }

    /// Whether the name, now complete, is one of them; `_` reads as `-` here too.
    var isForbidden: Bool {
        for (index, name) in Self.forbidden.enumerated()
        where name.utf8.count == count && agreeing & (1 << UInt32(index)) != 0 {
            return true
        }
        return false
    }
}
