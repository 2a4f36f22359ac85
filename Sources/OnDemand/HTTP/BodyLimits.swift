/// How much may travel beside and inside a body before it is refused.
struct BodyLimits: Equatable, Sendable {
    /// Whose mistakes are being read. A client's request must have one meaning for every parser behind it; a backend's
    /// response is written anew, so old habits of servers can be forgiven.
    enum Sender: Equatable, Sendable { case client, backend }

    var sender = Sender.client
    /// Content bytes, without chunk framing; nil leaves the size to the backend.
    var maximumBytes: UInt64?
    /// Of one chunk's size line beside its size: leading zeros, blanks and extensions. No client uses extensions, which
    /// have been a way to smuggle (RFC 9112, 7.1.1).
    var maximumExtensionBytes = 256
    /// Blanks and extensions of all chunks together, or tiny chunks with long extensions would cost far more than they
    /// carry.
    var maximumTotalExtensionBytes = 16 * 1024
    /// Digests, signatures and timings fit well (RFC 9112, 7.1.2).
    var maximumTrailerBytes = 8 * 1024
    var maximumTrailerFields = 32
    /// Names of trailer fields that go no further, besides those that never do; as `HTTPByte.folded` writes them.
    var removedTrailers: [[UInt8]] = []
}

extension BodyLimits {
    /// Sizes stay below 2^60, so that no parser's integer overflows (RFC 9112, 7.1). Leading zeros do not count.
    static let maximumChunkSizeDigits = 15
    /// As many as a signed 64-bit number can always hold (RFC 9112, 6.3). Leading zeros do not count.
    static let maximumLengthDigits = 18

    /// For a backend's response. A server that pads each size line does so for as long as its response lasts, so what
    /// stands beside the sizes is bounded for each chunk only.
    static func ofResponse(removing trailers: [[UInt8]] = []) -> BodyLimits {
        BodyLimits(sender: .backend, maximumTotalExtensionBytes: .max, removedTrailers: trailers)
    }
}
