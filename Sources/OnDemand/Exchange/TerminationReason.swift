/// Why an exchange or tunnel ended; one stable word for the log.
enum TerminationReason: String, Sendable {
    /// All responses were sent.
    case done
    /// The client closed between requests.
    case clientClosed = "client_closed"
    /// The client closed before it had its response.
    case clientLeft = "client_left"
    case clientReset = "client_reset"
    case upstreamReset = "upstream_reset"
    /// The backend's process has exited.
    case backendGone = "backend_gone"
    /// No request came within the keep-alive timeout.
    case idle
    /// The client did not read the last bytes in time.
    case stalled
    /// One side of a tunnel had ended, and no bytes moved any more.
    case noProgress = "no_progress"
    /// The daemon ended the tunnel with a close frame.
    case closeHandshake = "close_handshake"
    case shuttingDown = "shutting_down"

    /// Whether the connection is reset instead of closed, so that the client sees its response as incomplete.
    var isAbrupt: Bool { self == .upstreamReset }
}
