/// A client's way to the backend: the machine that decides, the request that is repeated, and the connection.
///
/// A class of its own, because clients that the cable serves alone need none of it.
final class Relay {
    var machine: RelayMachine
    let request: StoredRequest
    let backend: BackendID
    /// The client's own, for the log lines of a start.
    let path: String
    let began: Instant
    /// Commands of an attached client that wait until other clients are restored. It is not read meanwhile.
    var held: [RelayMachine.Event] = []
    /// The last fence of each subscription whose delivery by the cable is about to end.
    var fences: [[UInt8]: UInt64] = [:]
    var link = Link.none
    /// Whether the backend has chosen a subprotocol; nil before its first response.
    var hasSubprotocol: Bool?
    /// The last upstreams in a row that the backend has ended at once.
    var shortUpstreams: UInt8 = 0
    /// The end of the present attempt to reach the backend; nil while there is none.
    var wakeDeadline: Instant?

    enum Link {
        case none
        /// The backend is starting.
        case queued(Ticket)
        /// The timer begins the next attempt.
        case paused
        case connected(Upstream)
    }

    init(
        _ machine: RelayMachine, backend: BackendID, request: StoredRequest, path: String, began: Instant
    ) {
        self.machine = machine
        self.backend = backend
        self.request = request
        self.path = path
        self.began = began
    }

    var upstream: Upstream? { if case .connected(let upstream) = link { upstream } else { nil } }
}
