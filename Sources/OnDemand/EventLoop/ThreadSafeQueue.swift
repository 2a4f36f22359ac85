/// Messages to a reactor on another thread: the one place, with the gates and the ledgers, where threads meet.
///
/// In order, and with one wake-up for all that comes in before the owner looks.
final class ThreadSafeQueue<Message: Sendable>: Sendable {
    /// The owner's reactor watches it for edges.
    let wakeup: Descriptor
    private let messages = LockedBox<[Message]>([])

    init(wakeup: Descriptor) { self.wakeup = wakeup }

    /// `kernel` is the sender's.
    func post(_ message: Message, through kernel: some Kernel) {
        let isFirst = messages.withLock { messages in
            messages.append(message)
            return messages.count == 1
        }
        if isFirst { kernel.signalWakeup(wakeup) }
    }

    /// Everything posted so far, in order; the next message rings again.
    func takeAll() -> [Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
