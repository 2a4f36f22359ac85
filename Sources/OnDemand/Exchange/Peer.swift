/// The two ends of an exchange.
enum Peer: Equatable, Sendable {
    case client, upstream
}
