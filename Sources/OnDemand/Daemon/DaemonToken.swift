/// The socket and the timers of the daemon itself.
enum DaemonToken: UInt8, OwnedKind {
    case signals

    static var owner: Owner { .daemon }
}

enum DaemonTimer: UInt8, OwnedKind {
    case logRetry, shutdown

    static var owner: Owner { .daemon }
}

extension Owner {
    static var daemon: Owner { Owner(number: 6) }
}
