/// A request's head as offsets; order, duplicates and spelling are preserved.
struct RequestHead: MessageHead, Equatable, Sendable {
    let method: ByteRange
    /// As written by the client.
    let target: ByteRange
    let form: RequestTarget.Form
    /// Inside `target`, up to the `?`. Empty for `http://host` and `http://host?query`, which mean `/` (RFC 9110,
    /// 4.2.3); `*` in asterisk form.
    let path: ByteRange
    /// Inside `target`, behind the `?`; nil without one.
    let query: ByteRange?
    let version: HTTPVersion
    let fields: [HeaderField]
    /// The authority of an absolute target, else `Host`; nil only for HTTP/1.0.
    let host: ByteRange?
    /// Bytes of the whole head: skipped empty lines, request line, fields, final empty line.
    let byteCount: Int
    /// Whether the method is HEAD; its response has no body (RFC 9110, 9.3.2).
    let isHead: Bool
    /// Whether the client keeps the connection open (RFC 9112, 9.3).
    let wantsKeepAlive: Bool
}

extension RequestHead {
    /// Whether the client waits for a 100 before it sends the body; HTTP/1.0 has no such thing (RFC 9110, 10.1.1).
    func expectsContinue(in bytes: Span<UInt8>) -> Bool {
        version == .http11 && has("100-continue", in: .expect, of: bytes)
    }
}
