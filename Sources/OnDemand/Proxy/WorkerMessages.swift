/// What crosses between the reactor where everything is decided and those that only carry open tunnels.
///
/// Each carrier has one letterbox, so that it hears of a tunnel before it hears what becomes of it.

/// To a carrier.
enum WorkerCommand: Sendable {
    case tunnel(TunnelTransfer)
    /// What its tunnels have to know of a service: a new one, or one that has changed.
    case register(BackendID, name: String, BackendGate, ServiceLimits)
    /// All clients, or those of one life of a backend, are to be told to go.
    case closeTunnels(Connection.Lease?, CloseCode, over: Duration)
    case generationEnded(Connection.Lease)
    /// Whoever uses this service, but for one of its lives.
    case close(BackendID, sparing: Generation?)
    case closeEverything
    /// Nobody is to be carried any more.
    case end
}

/// From a carrier: what is counted, decided and told elsewhere.
struct WorkerEvent: Sendable {
    /// Its position among the carriers.
    let worker: Int
    let content: Content

    enum Content: Sendable {
        case log(LogEvent, [LogField])
        /// A tunnel has let go of its backend; its client may still be saying goodbye.
        case leaseEnded(Connection.Lease, wasUncounted: Bool)
        case connectionEnded(Admission)
    }
}

/// An open tunnel on its way to another thread.
///
/// Unchecked: the only reference in a link is its conversation, which an open tunnel has no more.
struct TunnelTransfer: @unchecked Sendable {
    let connection: Connection
    /// Where a proxy has said who the client is.
    let announcedClient: String?

    init(_ connection: Connection, announcedClient: String? = nil) {
        precondition(connection.session == nil, "a conversation stays where it is")
        self.connection = connection
        self.announcedClient = announcedClient
    }
}

/// How a carrier's proxy tells what it does not count itself.
struct WorkerContext {
    let worker: Int
    let queue: ThreadSafeQueue<WorkerEvent>
    let counters: SharedCounters
}
