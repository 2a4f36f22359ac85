/// A response's head, as offsets into the bytes it was read from.
struct ResponseHead: MessageHead, Equatable, Sendable {
    /// 100 to 599.
    let status: Int
    let version: HTTPVersion
    /// Possibly empty.
    let reason: ByteRange
    let fields: [HeaderField]
    let byteCount: Int
    /// Whether the backend lets the connection live on (RFC 9112, 9.3).
    let wantsKeepAlive: Bool

    /// An answer before the answer: another head follows (RFC 9110, 15.2). A 101 is not one of them.
    var isInterim: Bool { status < 200 && status != 101 }
}
