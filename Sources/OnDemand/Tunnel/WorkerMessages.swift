/// Messages between the main reactor and the workers that relay open tunnels.
///
/// Each worker has one request queue, so requests about a tunnel arrive after the tunnel itself.

/// Request to a worker.
enum WorkerRequest: Sendable {
    case tunnel(TunnelTransfer)
    /// A new or changed service.
    case register(TunnelService, at: BackendID)
    /// Closes all tunnels, or those of one generation.
    case closeTunnels(Lease?, CloseCode, over: Duration)
    case generationEnded(Lease)
    /// Closes the connections of a service except those of one generation.
    case close(BackendID, sparing: Generation?)
    case closeEverything
    /// Closes all connections and ends the thread.
    case end
}

/// Event from a worker: counted, decided and logged on the main thread.
struct WorkerEvent: Sendable {
    /// Index of the worker.
    let worker: Int
    let content: Content

    enum Content: Sendable {
        case log(LogEvent, [LogField])
        /// A tunnel released its upstream. The client's close handshake may still run.
        case leaseEnded(Lease, wasUncounted: Bool)
        case connectionEnded(Admission)
    }
}

/// An open tunnel on its way to another thread.
struct TunnelTransfer: Sendable {
    let tunnel: Tunnel
    /// Client address from a PROXY header. nil: the peer address applies.
    let announcedClient: String?
}
