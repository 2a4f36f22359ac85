/// A head that was understood, kept while its request is answered. It is looked at again only where the daemon answers
/// itself; handing a request on costs nothing for it.
struct KeptHead {
    private var bytes: [UInt8] = []
    private var head: RequestHead?

    init() {}

    /// What lies behind the head stays. Most often that is nothing, and then not a byte is copied.
    init(_ head: RequestHead, takenFrom unread: inout [UInt8]) {
        self.head = head
        if unread.count == head.byteCount {
            swap(&bytes, &unread)
        } else {
            bytes = Array(unread[..<head.byteCount])
            unread.removeFirst(head.byteCount)
        }
    }

    /// Method and target as they came: between them is one space.
    var line: String {
        guard let head else { return "" }
        return String(bytes.span, ByteRange(head.method.lower, head.target.upper))
    }

    var isGet: Bool { head.map { bytes.span.isExactly("GET", in: $0.method) } ?? false }

    /// What the request is called.
    func text(of identity: RequestIdentity) -> String {
        var text: [UInt8] = []
        identity.write(to: &text, in: bytes)
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether this is what a server answers to the key of its handshake (RFC 6455, 4.2.2).
    func asked(for accept: ByteRange, in answer: Span<UInt8>) -> Bool {
        guard let key = head?.onlyValue(of: .secWebSocketKey) else { return false }
        return Handshake.accepts(answer.extracting(accept.indices), key: bytes.span.extracting(key.indices))
    }

    /// What its sender calls itself.
    var userAgent: String? { head?.text(of: .userAgent, in: bytes.span) }

    /// What its sender can read, by its own word.
    var answerForm: AnswerForm {
        guard let head else { return .text }
        var reader = AcceptReader()
        for value in head.values(of: .accept) { reader.read(value, in: bytes.span) }
        return reader.preferred
    }
}
