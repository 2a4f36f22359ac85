/// Messages between the two drivers, delivered between events and never from inside one.
///
/// Neither driver ever runs inside the other's call, so neither sees the other half-way through a change.
final class Mailbox<Message> {
    private var messages: [Message] = []

    var isEmpty: Bool { messages.isEmpty }

    func post(_ message: Message) { messages.append(message) }

    /// Everything posted so far, in order; what is posted meanwhile waits for the next call.
    func takeAll() -> [Message] {
        guard !messages.isEmpty else { return [] }
        defer { messages.removeAll(keepingCapacity: true) }
        return messages
    }
}
