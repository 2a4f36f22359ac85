/// Which trailer fields travel on. A recipient that merges trailers into its header would take framing, routing,
/// credentials or a client's address from the end of a body (RFC 9110, 6.5.1).
enum TrailerRule: Equatable {
    case passes
    /// The daemon sets, removes or trusts the field of this name; a trailer cannot take its place.
    case dropped
    /// Of a request: a field that decides what the request is. Two parsers could read two requests.
    case refused

    /// What decides about framing, routing, credentials or content (RFC 9110, 6.5.1), in the lower case.
    static let essential = [
        "transfer-encoding", "content-length", "host", "connection", "upgrade", "te", "trailer", "expect",
        "content-type", "content-encoding", "content-range", "cache-control", "range", "max-forwards",
        "authorization", "proxy-authorization", "cookie", "set-cookie", "location", "retry-after",
    ]
    /// What the daemon sets, removes or trusts in a header.
    static let own = [
        "via", "x-request-id", "origin", "proxy", "keep-alive", "proxy-connection", "http2-settings", "close",
    ]
    /// The same for whole families of names.
    static let ownPrefixes = ["x-forwarded-", "forwarded", "x-real-ip", "sec-"]

    /// `_` reads as `-` here too. A name refused in a request is only dropped from a response, which is written anew.
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
