/// The sockets and timers of the demo's backend.
enum DemoToken: UInt8, OwnedKind {
    case listener, client

    static var owner: Owner { .demo }
}

enum DemoTimer: UInt8, OwnedKind {
    case client, acceptPause

    static var owner: Owner { .demo }
}

extension Owner {
    static var demo: Owner { Owner(number: 14) }
}
