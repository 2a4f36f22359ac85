/// Where a request goes. Closed on purpose: a new kind of destination makes the compiler list what it must answer.
enum Destination: Hashable, Sendable {
    case backend(BackendID)
    /// The service's ENABLE flag is off, and there is nothing that could be started: answered at once.
    case disabled(BackendID)
    /// The daemon answers the request itself.
    case local(Endpoint)
}

/// What the status listener serves; none of it wakes anything or counts as use.
enum StatusResource: Hashable, Sendable {
    /// The page for people.
    case page
    /// The state of everything, once (JSON).
    case snapshot
    /// The same again whenever it changes (server-sent events).
    case events
    /// How everything was over the last 24 hours (JSON).
    case history
    /// The numbers of everything, for graphs (Prometheus).
    case metrics
    /// An order for one service, or what it printed.
    case service
    /// The daemon is alive.
    case health
    /// It takes clients: it has its configuration, its listeners are open, and it is not about to leave.
    case readiness

    /// Whether making it takes more than a word.
    var isLarge: Bool { self != .health && self != .readiness }

    /// Whether a token that is configured has to be named. The page itself shows nothing and asks for it.
    var isGuarded: Bool {
        switch self {
        case .page, .health, .readiness: false
        case .snapshot, .events, .history, .metrics, .service: true
        }
    }
}
