/// A request's head, as offsets into the bytes it was read from: order, duplicates and spelling are still there.
struct RequestHead: MessageHead, Equatable, Sendable {
    let method: ByteRange
    /// As the client wrote it.
    let target: ByteRange
    let form: RequestTarget.Form
    /// Inside `target`, up to the `?`. Empty for `http://host` and `http://host?query`, which mean `/`
    /// (RFC 9110, 4.2.3); `*` in asterisk form.
    let path: ByteRange
    /// Inside `target`, what follows the `?`; nil without one.
    let query: ByteRange?
    let version: HTTPVersion
    let fields: [HeaderField]
    /// The authority of an absolute-form target, else the value of `Host`, which only an HTTP/1.0 client may leave out.
    let host: ByteRange?
    /// The whole head: skipped empty lines, request line, fields, the empty line at the end.
    let byteCount: Int
    /// The method is HEAD: its answer never has a body (RFC 9110, 9.3.2).
    let isHead: Bool
    /// Whether the client lets the connection live on (RFC 9112, 9.3).
    let wantsKeepAlive: Bool
}

extension RequestHead {
    /// Whether the client waits for a 100 before it sends the body; HTTP/1.0 has no such thing (RFC 9110, 10.1.1).
    func expectsContinue(in bytes: Span<UInt8>) -> Bool {
        version == .http11 && has("100-continue", in: .expect, of: bytes)
    }
}
