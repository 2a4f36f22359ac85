/// The sockets and the timers of the daemon itself.
enum DaemonToken: UInt8, OwnedKind {
    case signals
    /// Messages between the drivers; no socket.
    case messages

    static var owner: Owner { .daemon }
}

enum DaemonTimer: UInt8, OwnedKind {
    case logRetry, shutdown

    static var owner: Owner { .daemon }
}

extension Owner {
    static var daemon: Owner { Owner(number: 6) }
}
