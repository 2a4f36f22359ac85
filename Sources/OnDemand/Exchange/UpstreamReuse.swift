/// State of the reuse of a backend's connection.
enum UpstreamReuse: Equatable {
    /// No connection, or a request is on it.
    case undecided
    /// The connection is to be closed.
    case spent
    /// The response has ended and the connection is open: it may be kept.
    case reusable(Idle)
    /// Waits for the client's next request; it holds no lease, so the backend may idle out.
    case kept(Idle)

    struct Idle: Equatable {
        let service: BackendID
        /// How long it may wait.
        let timeout: Duration
    }
}
