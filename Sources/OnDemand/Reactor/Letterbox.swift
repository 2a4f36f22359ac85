/// Messages to a reactor on another thread: the one place, with the gates and the ledgers, where threads meet.
///
/// In order, and with one wake-up for all that comes in before the owner looks.
final class Letterbox<Message: Sendable>: Sendable {
    /// The owner's reactor watches it for edges.
    let bell: Descriptor
    private let messages = Guarded<[Message]>([])

    init(bell: Descriptor) { self.bell = bell }

    /// `kernel` is the sender's.
    func post(_ message: Message, through kernel: some Kernel) {
        let isFirst = messages.withLock { messages in
            messages.append(message)
            return messages.count == 1
        }
        if isFirst { kernel.ring(bell) }
    }

    /// Everything posted so far, in order; the next message rings again.
    func takeAll() -> [Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
