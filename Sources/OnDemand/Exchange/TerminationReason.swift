/// Why a conversation ended; one stable word for the log.
enum TerminationReason: String, Sendable {
    /// Everything was said.
    case done
    /// The client closed between requests, as it may.
    case clientClosed = "client_closed"
    /// The client left before it had its answer.
    case clientLeft = "client_left"
    case clientReset = "client_reset"
    case upstreamReset = "upstream_reset"
    /// The backend's process is gone.
    case backendGone = "backend_gone"
    /// A connection between requests was silent for too long.
    case idle
    /// The client did not take our last bytes in time.
    case stalled
    /// One side of a tunnel had ended, and then nothing moved any more.
    case noProgress = "no_progress"
    /// The daemon ended the tunnel with a close frame.
    case closeHandshake = "close_handshake"
    case shuttingDown = "shutting_down"

    /// The client must not take what it has for everything there was: its connection is reset, not closed.
    var isAbrupt: Bool { self == .upstreamReset }
}
