/// What the command runner gets to know of streams and cables: the first subscriber of a stream that it waits for, and
/// whether a cable has too much to deliver. Each is reported once.
final class AwaitedStreams {
    private let replies: Mailbox<StreamReply>
    /// The mailbox whose messages make the daemon deliver those of the others.
    private let work: Mailbox<BackendRequest>
    private var awaited: [(cable: String, stream: [UInt8])] = []
    /// Cables that were reported as congested. An array, because few are.
    private var congested: [String] = []

    init(replies: Mailbox<StreamReply>, work: Mailbox<BackendRequest>) {
        self.replies = replies
        self.work = work
    }

    var isEmpty: Bool { awaited.isEmpty }

    func add(_ stream: [UInt8], of cable: String) { awaited.append((cable, stream)) }

    func forget(_ stream: [UInt8], of cable: String) {
        awaited.removeAll { $0.cable == cable && $0.stream == stream }
    }

    /// Reports the streams of this cable that have a subscriber by now.
    func report(of cable: String, where hasSubscriber: ([UInt8]) -> Bool) {
        for (_, stream) in awaited.filter({ $0.cable == cable && hasSubscriber($0.stream) }) {
            forget(stream, of: cable)
            post(.subscribed(cable: cable, stream: stream))
        }
    }

    /// Returns whether this is new.
    func note(_ cable: String, isCongested: Bool) -> Bool {
        guard isCongested != congested.contains(cable) else { return false }
        if isCongested { congested.append(cable) } else { congested.removeAll { $0 == cable } }
        post(isCongested ? .congested(cable: cable) : .relieved(cable: cable))
        return true
    }

    private func post(_ reply: StreamReply) {
        replies.post(reply)
        work.post(.commandWork)
    }
}
