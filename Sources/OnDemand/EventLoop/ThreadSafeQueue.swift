/// Messages to a reactor on another thread. Threads share only these queues, the gates and the shared counters.
///
/// Messages stay in order. One wakeup covers all messages that arrive before the owner takes them.
final class ThreadSafeQueue<Message: Sendable>: Sendable {
    /// An eventfd that the owner's reactor watches edge-triggered.
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

    /// Returns all messages in order. The next message signals again.
    func takeAll() -> [Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
