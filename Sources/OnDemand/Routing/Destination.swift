/// The destination of a request.
enum Destination: Hashable, Sendable {
    case backend(BackendID)
    /// The service is disabled and has no command: rejected at once.
    case disabled(BackendID)
    /// The daemon serves the request itself.
    case local(Endpoint)
}

/// A resource of the status listener; requests to it neither wake a backend nor count as use.
enum StatusResource: Hashable, Sendable {
    /// The status page.
    case page
    /// The current state (JSON).
    case snapshot
    /// The state after each change (server-sent events).
    case events
    /// The last 24 hours (JSON).
    case history
    /// Metrics (Prometheus).
    case metrics
    /// An operation for one service, or its output.
    case service
    /// The daemon is alive.
    case health
    /// The daemon serves clients: it is configured, its listeners are open, and it is not shutting down.
    case readiness

    /// Whether the response is more than a word.
    var isLarge: Bool { self != .health && self != .readiness }

    /// Whether it needs a configured token. The page contains no data and asks for the token.
    var isGuarded: Bool {
        switch self {
        case .page, .health, .readiness: false
        case .snapshot, .events, .history, .metrics, .service: true
        }
    }
}
