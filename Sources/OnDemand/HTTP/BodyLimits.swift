/// Limits of a body's size and framing overhead.
struct BodyLimits: Equatable, Sendable {
    /// The sender of the message. A client's request must have one meaning for every parser behind it. A backend's
    /// response is rewritten, so old errors of servers are tolerated.
    enum Sender: Equatable, Sendable { case client, backend }

    var sender = Sender.client
    /// Content bytes without chunk framing; nil has no limit.
    var maximumBytes: UInt64?
    /// Bytes of one chunk's size line besides the size: leading zeros, blanks and extensions. Clients do not use
    /// extensions, which have been used for smuggling (RFC 9112, 7.1.1).
    var maximumExtensionBytes = 256
    /// Such bytes of all chunks together: tiny chunks with long extensions would cost far more than their content.
    var maximumTotalExtensionBytes = 16 * 1024
    /// Bytes of trailers: enough for digests, signatures and timings (RFC 9112, 7.1.2).
    var maximumTrailerBytes = 8 * 1024
    var maximumTrailerFields = 32
    /// Names of further trailer fields to drop, as `HTTPByte.folded` returns them.
    var removedTrailers: [[UInt8]] = []
}

extension BodyLimits {
    /// Whether a body of this framing may be read; the length of others shows only later.
    func admit(_ framing: BodyFraming) -> Bool {
        guard case .length(let length) = framing, let maximumBytes else { return true }
        return length <= maximumBytes
    }

    /// Sizes stay below 2^60, so that no parser's integer overflows (RFC 9112, 7.1). Leading zeros do not count.
    static let maximumChunkSizeDigits = 15
    /// As many digits as always fit into a signed 64-bit number (RFC 9112, 6.3). Leading zeros do not count.
    static let maximumLengthDigits = 18

    /// Returns the limits of a backend's response. A server that pads size lines does so throughout, so the overhead is
    /// limited per chunk only.
    static func ofResponse(removing trailers: [[UInt8]] = []) -> BodyLimits {
        BodyLimits(sender: .backend, maximumTotalExtensionBytes: .max, removedTrailers: trailers)
    }
}
