/// A response's head as offsets.
struct ResponseHead: MessageHead, Equatable, Sendable {
    /// 100 to 599.
    let status: Int
    let version: HTTPVersion
    /// May be empty.
    let reason: ByteRange
    let fields: [HeaderField]
    let byteCount: Int
    /// Whether the backend keeps the connection open (RFC 9112, 9.3).
    let wantsKeepAlive: Bool

    /// Whether another head follows (RFC 9110, 15.2); not the case for 101.
    var isInterim: Bool { status < 200 && status != 101 }
}
