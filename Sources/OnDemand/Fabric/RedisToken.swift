/// The sockets and timers of the connections to Redis servers.
enum RedisToken: UInt8, OwnedKind {
    /// The index is that of the `CableID`, and one bit for the connection.
    case connection

    static var owner: Owner { .fabric }
}

/// The index is that of the `CableID`.
enum RedisTimer: UInt8, OwnedKind {
    case listeningRetry, publishingRetry
    case listeningLiveness, publishingLiveness
    case linger

    static var owner: Owner { .fabric }

    init(_ timer: SubscriberMachine.Timer) {
        self =
            switch timer {
            case .retry(.listening): .listeningRetry
            case .retry(.publishing): .publishingRetry
            case .liveness(.listening): .listeningLiveness
            case .liveness(.publishing): .publishingLiveness
            case .linger: .linger
            }
    }

    var timer: SubscriberMachine.Timer {
        switch self {
        case .listeningRetry: .retry(.listening)
        case .publishingRetry: .retry(.publishing)
        case .listeningLiveness: .liveness(.listening)
        case .publishingLiveness: .liveness(.publishing)
        case .linger: .linger
        }
    }
}

extension Owner {
    static var fabric: Owner { Owner(number: 5) }
}
