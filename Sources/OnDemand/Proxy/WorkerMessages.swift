/// Messages between the main reactor and the workers that relay open tunnels.
///
/// Each worker has one command queue, so commands about a tunnel arrive after the tunnel itself.

/// Command to a worker.
enum WorkerCommand: Sendable {
    case tunnel(TunnelTransfer)
    /// A new or changed service.
    case register(BackendID, name: String, BackendGate, ServiceLimits)
    /// Closes all tunnels, or those of one generation.
    case closeTunnels(Connection.Lease?, CloseCode, over: Duration)
    case generationEnded(Connection.Lease)
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
        case leaseEnded(Connection.Lease, wasUncounted: Bool)
        case connectionEnded(Admission)
    }
}

/// An open tunnel on its way to another thread.
///
/// Unchecked: the only reference in a connection is its HTTP session, which an open tunnel does not have.
struct TunnelTransfer: @unchecked Sendable {
    let connection: Connection
    /// Client address from a PROXY header. nil: the peer address applies.
    let announcedClient: String?

    init(_ connection: Connection, announcedClient: String? = nil) {
        precondition(connection.session == nil, "an HTTP session stays on its thread")
        self.connection = connection
        self.announcedClient = announcedClient
    }
}

/// How a worker's proxy reports to the main proxy.
struct WorkerContext {
    let worker: Int
    let queue: ThreadSafeQueue<WorkerEvent>
    let counters: SharedCounters
}
