/// Messages between two drivers on one thread, delivered between events.
///
/// No driver runs inside another driver's call, so none sees a half-finished change.
final class Mailbox<Message> {
    private var messages: [Message] = []

    var isEmpty: Bool { messages.isEmpty }

    func post(_ message: Message) { messages.append(message) }

    /// Returns all messages in order. Messages posted meanwhile wait for the next call. Their memory goes with them:
    /// thousands of clients may have left at once.
    func takeAll() -> [Message] {
        guard !messages.isEmpty else { return [] }
        defer { messages = [] }
        return messages
    }
}
