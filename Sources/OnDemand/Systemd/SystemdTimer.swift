/// The timer of the service manager's watchdog.
enum SystemdTimer: UInt8, OwnedKind {
    case watchdog

    static var owner: Owner { .systemd }
}

extension Owner {
    static var systemd: Owner { Owner(number: 7) }
}
