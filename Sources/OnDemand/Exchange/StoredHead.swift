/// A parsed head, kept while its request is served. Only local replies read it again; forwarding a request does not
/// copy it.
struct StoredHead {
    private let bytes: [UInt8]
    private let head: RequestHead

    /// Takes the head out of the unread bytes; usually no bytes follow it, and nothing is copied.
    init(_ head: RequestHead, takenFrom unread: inout [UInt8]) {
        self.head = head
        if unread.count == head.byteCount {
            bytes = unread
            unread = []
        } else {
            bytes = Array(unread[..<head.byteCount])
            unread.removeFirst(head.byteCount)
        }
    }

    /// Method and target as received, separated by one space.
    var line: String {
        String(bytes.span, ByteRange(head.method.lower, head.target.upper))
    }

    var isGet: Bool { bytes.span.isExactly("GET", in: head.method) }

    var isDelete: Bool { bytes.span.isExactly("DELETE", in: head.method) }

    /// The last segment of the path, as received.
    var lastSegment: String {
        let path = String(bytes.span, head.path)
        return String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
    }

    /// Returns the request ID as text.
    func text(of identity: RequestIdentity) -> String {
        var text: [UInt8] = []
        identity.write(to: &text, in: bytes)
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns whether this is the accept value for the key of the client's handshake (RFC 6455, 4.2.2).
    func requested(for accept: ByteRange, in response: Span<UInt8>) -> Bool {
        guard let key = head.onlyValue(of: .secWebSocketKey) else { return false }
        return Handshake.accepts(response.extracting(accept.indices), key: bytes.span.extracting(key.indices))
    }

    /// `User-Agent` of the client; nil without one.
    var userAgent: String? { head.text(of: .userAgent, in: bytes.span) }

    /// The format of local replies that the client accepts.
    var responseFormat: ResponseFormat {
        var reader = AcceptReader()
        for value in head.values(of: .accept) { reader.read(value, in: bytes.span) }
        return reader.preferred
    }
}
