/// What an operator may ask of a backend while the daemon runs.
enum BackendCommand: String, CaseIterable, Sendable {
    /// Wake it without a client.
    case start
    /// Put it to sleep, whoever is connected; the next client wakes it again.
    case stop
    /// Stop it and start it again at once; who comes meanwhile is held.
    case restart
    /// Start it and keep it awake.
    case pin
    case unpin
    /// Answer 503 to everybody, and stop it.
    case disable
    case enable

    /// Whether it is to run when this is done.
    var wantsIt: Bool {
        switch self {
        case .start, .restart, .pin: true
        case .stop, .unpin, .enable, .disable: false
        }
    }
}
