/// Which trailer fields are forwarded. A recipient that merges trailers into its header would take framing, routing,
/// credentials or a client's address from the end of a body (RFC 9110, 6.5.1).
enum TrailerRule: Equatable {
    case passes
    /// The daemon sets, removes or trusts this field; a trailer must not replace it.
    case dropped
    /// In a request: a field that determines the request, which two parsers could read differently.
    case refused

    /// Fields for framing, routing, credentials or content (RFC 9110, 6.5.1), in lower case.
    static let essential = [
        "transfer-encoding", "content-length", "host", "connection", "upgrade", "te", "trailer", "expect",
        "content-type", "content-encoding", "content-range", "cache-control", "range", "max-forwards",
        "authorization", "proxy-authorization", "cookie", "set-cookie", "location", "retry-after",
    ]
    /// Fields that the daemon sets, removes or trusts.
    static let own = [
        "via", "x-request-id", "origin", "proxy", "keep-alive", "proxy-connection", "http2-settings", "close",
    ]
    /// Prefixes of such fields.
    static let ownPrefixes = ["x-forwarded-", "forwarded", "x-real-ip", "sec-"]

    /// Returns the rule of a name; `_` reads as `-`. A name that is rejected in a request is dropped from a response.
    init(_ name: [UInt8], limits: BodyLimits) {
        let bytes = name.span
        let whole = ByteRange(0, name.count)
        if Self.essentialBytes.contains(where: { bytes.resembles($0.span, in: whole) }) {
            self = limits.sender == .client ? .refused : .dropped
        } else if Self.ownBytes.contains(where: { bytes.resembles($0.span, in: whole) })
            || Self.ownPrefixBytes.contains(where: { bytes.beginsLike($0, in: whole) })
            || limits.removedTrailers.contains(where: { bytes.resembles($0.span, in: whole) })
        {
            self = .dropped
        } else {
            self = .passes
        }
    }

    private static let essentialBytes = essential.map { Array($0.utf8) }
    private static let ownBytes = own.map { Array($0.utf8) }
    private static let ownPrefixBytes = ownPrefixes.map { Array($0.utf8) }
}
