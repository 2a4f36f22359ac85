/// How much may travel beside and inside a body before it is refused.
struct BodyLimits: Equatable, Sendable {
    /// Content bytes, without chunk framing; nil leaves the size to the backend.
    var maximumBytes: UInt64?
    /// Of one chunk. Nobody uses extensions, and they have been a way to smuggle (RFC 9112, 7.1.1).
    var maximumExtensionBytes = 256
    /// Of all chunks together, or tiny chunks with long extensions would cost far more than they carry.
    var maximumTotalExtensionBytes = 16 * 1024
    /// Digests, signatures and timings fit well (RFC 9112, 7.1.2).
    var maximumTrailerBytes = 8 * 1024
    var maximumTrailerFields = 32
}

extension BodyLimits {
    /// Sizes stay below 2^60, so that no parser's integer overflows, leading zeros included (RFC 9112, 7.1).
    static let maximumChunkSizeDigits = 15
    /// As many as a signed 64-bit number can always hold (RFC 9112, 6.3).
    static let maximumLengthDigits = 18
}
