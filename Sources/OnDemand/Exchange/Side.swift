/// The two ends of a conversation.
enum Side: Equatable, Sendable {
    case client, upstream
}
