/// What cable sessions ask of backends: leases at their gates, tickets where a gate is closed, and what the proxy has
/// to know.
///
/// A relay enters the gate of its backend, or gets a ticket and waits; the supervisor's reply to a ticket is redeemed
/// for the session that has it. The proxy counts connections, and returns the leases.
///
/// Invariant: a ticket is redeemed or abandoned once.
final class CableSessionLeases {
    private let requests: Mailbox<BackendRequest>
    private let replies: Mailbox<CableReply>
    /// Sessions that wait for a backend.
    private var tickets: [Ticket: Token] = [:]
    private var lastTicket: UInt64 = 0
    /// Set once, before the first client. Not weak: a weak reference makes each use of the proxy cost more.
    private unowned var access: (any BackendAccess)?

    init(requests: Mailbox<BackendRequest>, replies: Mailbox<CableReply>) {
        self.requests = requests
        self.replies = replies
    }

    func use(_ access: any BackendAccess) { self.access = access }

    private var backends: any BackendAccess {
        guard let access else { preconditionFailure("a backend before the proxy") }
        return access
    }

    // MARK: Gates

    /// nil: the gate is closed.
    func enter(_ backend: BackendID) -> Generation? { backends.gate(of: backend).enter() }
    func isOpen(_ backend: BackendID) -> Bool { backends.gate(of: backend).isOpen }

    func isOpen(_ backend: BackendID, for generation: Generation) -> Bool {
        let gate = backends.gate(of: backend)
        return gate.isOpen && gate.generation == generation
    }

    func address(of backend: BackendID, _ generation: Generation) -> SocketAddress {
        backends.address(of: backend, generation)
    }

    func recordClientData(for backend: BackendID, at now: Instant) {
        backends.gate(of: backend).recordClientData(at: now)
    }

    // MARK: Tickets

    func queue(
        _ session: Token, for backend: BackendID, _ cause: WakeCause, mayWake: Bool, by client: ClientInfo
    ) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(ofCableSession: lastTicket)
        tickets[ticket] = session
        requests.post(.wanted(backend, ticket, cause, mayWake: mayWake, by: client))
        return ticket
    }

    func abandon(_ ticket: Ticket, for backend: BackendID) {
        tickets[ticket] = nil
        requests.post(.abandoned(backend, ticket))
    }

    /// nil: it was abandoned.
    func redeem(_ ticket: Ticket) -> Token? { tickets.removeValue(forKey: ticket) }

    /// No session is left.
    func trim() { tickets = [:] }

    /// Sessions that wait.
    var ticketCount: Int { tickets.count }

    // MARK: For the proxy

    /// A connection is closed, or was never made with the lease that was held for it.
    func ended(_ backend: BackendID, _ generation: Generation, wasUncounted: Bool = false) {
        report(.upstreamEnded(backend, generation, wasUncounted: wasUncounted))
    }

    func counted(_ backend: BackendID, _ generation: Generation) { report(.upstreamCounted(backend, generation)) }
    func uncounted(_ backend: BackendID, _ generation: Generation) { report(.upstreamUncounted(backend, generation)) }

    private func report(_ reply: CableReply) {
        replies.post(reply)
        requests.post(.cableWork)
    }
}
