/// What crosses between the reactor where everything is decided and those that only carry open tunnels.
///
/// Each carrier has one letterbox, so that it hears of a tunnel before it hears what becomes of it.

/// To a carrier.
enum CarrierOrder: Sendable {
    case adopt(Passage)
    /// What its tunnels have to know of a service: a new one, or one that has changed.
    case seat(BackendID, name: String, BackendGate, ServiceLimits)
    /// All clients, or those of one life of a backend, are to be told to go.
    case takeLeave(Link.Lease?, CloseCode, over: Duration)
    case generationEnded(Link.Lease)
    /// Whoever uses this service, but for one of its lives.
    case close(BackendID, sparing: Generation?)
    case closeEverything
    /// Nobody is to be carried any more.
    case end
}

/// From a carrier: what is counted, decided and told elsewhere.
struct CarrierReport: Sendable {
    /// Its position among the carriers.
    let carrier: Int
    let news: News

    enum News: Sendable {
        case told(LogEvent, [LogField])
        /// A tunnel has let go of its backend; its client may still be saying goodbye.
        case leaseEnded(Link.Lease, wasDormant: Bool)
        case connectionEnded(Link.Admission)
    }
}

/// An open tunnel on its way to another thread.
///
/// Unchecked: the only reference in a link is its conversation, which an open tunnel has no more.
struct Passage: @unchecked Sendable {
    let link: Link
    /// Where a proxy has said who the client is.
    let announcedClient: String?

    init(_ link: Link, announcedClient: String? = nil) {
        precondition(link.conversation == nil, "a conversation stays where it is")
        self.link = link
        self.announcedClient = announcedClient
    }
}

/// How a carrier's proxy tells what it does not count itself.
struct Reporting {
    let carrier: Int
    let letterbox: Letterbox<CarrierReport>
    let ledger: TrafficLedger
}
