/// A head that was understood, kept while its request is answered. It is looked at again only where the daemon answers
/// itself; handing a request on costs nothing for it.
struct StoredHead {
    private let bytes: [UInt8]
    private let head: RequestHead

    /// What lies behind the head stays. Most often that is nothing, and then not a byte is copied.
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

    /// Method and target as they came: between them is one space.
    var line: String {
        String(bytes.span, ByteRange(head.method.lower, head.target.upper))
    }

    var isGet: Bool { bytes.span.isExactly("GET", in: head.method) }

    /// What the request is called.
    func text(of identity: RequestIdentity) -> String {
        var text: [UInt8] = []
        identity.write(to: &text, in: bytes)
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether this is what a server answers to the key of its handshake (RFC 6455, 4.2.2).
    func requested(for accept: ByteRange, in response: Span<UInt8>) -> Bool {
        guard let key = head.onlyValue(of: .secWebSocketKey) else { return false }
        return Handshake.accepts(response.extracting(accept.indices), key: bytes.span.extracting(key.indices))
    }

    /// What its sender calls itself.
    var userAgent: String? { head.text(of: .userAgent, in: bytes.span) }

    /// What its sender can read, by its own word.
    var responseFormat: ResponseFormat {
        var reader = AcceptReader()
        for value in head.values(of: .accept) { reader.read(value, in: bytes.span) }
        return reader.preferred
    }
}
