/// The two ends of a conversation.
enum Peer: Equatable, Sendable {
    case client, upstream
}
