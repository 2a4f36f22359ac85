/// The sockets and timers of a client's connection. A worker has them, too.
enum ConnectionToken: UInt8, OwnedKind {
    case client, upstream

    static var owner: Owner { .connections }
}

enum ConnectionTimer: UInt8, OwnedKind {
    /// The current deadline.
    case deadline
    /// The end of a pause by the message rate limit.
    case rateLimiter

    static var owner: Owner { .connections }
}

extension Owner {
    static var connections: Owner { Owner(number: 1) }
}

extension TimerKey {
    static func connection(_ token: Token) -> TimerKey { TimerKey(ConnectionTimer.deadline, of: token) }
    static func rateLimiter(_ token: Token) -> TimerKey { TimerKey(ConnectionTimer.rateLimiter, of: token) }

    /// The token of the client whose timer this is.
    var client: Token { Token(ConnectionToken.client, index: index, generation: generation) }
}
