/// The sockets and timers of the cable server.
enum CableServerToken: UInt8, OwnedKind {
    /// A client of a cable.
    case session
    /// The upstream of a client of a cable.
    case relay
    /// Messages of cables that are left to deliver; no socket.
    case delivery

    static var owner: Owner { .cableServer }
}

enum CableServerTimer: UInt8, OwnedKind {
    /// The end of a closing session.
    case session
    /// The upstream of a session: the next attempt, or the end of a wait.
    case relay
    /// The next ping, or the end of a stalled client.
    case cable
    /// The next clients of a cable to disconnect.
    case cableDrain

    static var owner: Owner { .cableServer }
}

extension Owner {
    static var cableServer: Owner { Owner(number: 4) }
}

extension TimerKey {
    static func session(_ token: Token) -> TimerKey { TimerKey(CableServerTimer.session, of: token) }
    static func relay(_ token: Token) -> TimerKey { TimerKey(CableServerTimer.relay, of: token) }
    static func cable(_ id: CableID) -> TimerKey { TimerKey(CableServerTimer.cable, index: id.index) }
    static func cableDrain(_ id: CableID) -> TimerKey { TimerKey(CableServerTimer.cableDrain, index: id.index) }
}

extension Token {
    /// Stands for all messages that are left to deliver.
    static var cableDelivery: Token { Token(CableServerToken.delivery, index: 0, generation: 0) }
}
