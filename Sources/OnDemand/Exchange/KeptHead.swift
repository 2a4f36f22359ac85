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
