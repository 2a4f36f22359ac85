/// The queue of requests that wait for a backend, and of operations that wait for their result: each has a ticket, by
/// which the supervisor's reply refers to it.
///
/// Invariant: a ticket is redeemed or withdrawn once. After that a reply with it has no effect.
final class RequestQueue<K: Kernel> {
    private let sessions: HTTPSessionTable
    private let services: ServiceTable<K>
    private let subscribers: SubscriberTable<K>
    private let requests: Mailbox<BackendRequest>
    private var waiting: [Ticket: Token] = [:]
    private var lastTicket: UInt64 = 0

    init(
        sessions: HTTPSessionTable, services: ServiceTable<K>, subscribers: SubscriberTable<K>,
        requests: Mailbox<BackendRequest>
    ) {
        (self.sessions, self.services, self.subscribers) = (sessions, services, subscribers)
        self.requests = requests
    }

    /// Queues a request at a closed gate, and asks for its backend.
    func enqueue(_ session: HTTPSession, for id: BackendID) {
        let ticket = issueTicket(for: id, session)
        services.queued(at: id, isNew: true)
        session.machine.queued()
        let request = session.machine.forwardedRequest
        let client = ClientInfo(
            address: session.machine.remoteAddress, path: request?.shownPath ?? "", agent: request?.shownAgent)
        requests.post(
            .wanted(
                id, ticket, request?.opensWebSocket == true ? .upgrade : .request,
                mayWake: request?.forwarding.mayWake ?? true, by: client))
        subscribers.statusChanged()
    }

    /// Queues a request again whose generation does not listen yet.
    func requeue(_ session: HTTPSession, of lease: Lease, wasSent: Bool) {
        let ticket = issueTicket(for: lease.backend, session)
        services.queued(at: lease.backend, isNew: false)
        session.machine.waitAgain()
        requests.post(.listenerMissing(lease.backend, ticket, lease.generation, wasSent: wasSent))
        subscribers.statusChanged()
    }

    /// Passes an operation of an operator on, who gets its result. It is not counted as a request.
    func enqueue(_ operation: BackendOperation, to id: BackendID, waits: Bool, from session: HTTPSession) {
        let ticket = issueTicket(for: id, session)
        session.machine.requestAccepted()
        requests.post(.operation(id, operation, ticket, waits: waits))
    }

    private func issueTicket(for id: BackendID, _ session: HTTPSession) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        waiting[ticket] = session.token
        session.ticket = (ticket, id)
        return ticket
    }

    /// nil: the client has left.
    func redeem(_ ticket: Ticket) -> HTTPSession? {
        guard let token = waiting.removeValue(forKey: ticket), let session = sessions.named(token) else { return nil }
        forgetTicket(of: session)
        return session
    }

    /// Withdraws the ticket, if there is one. A later decision of the supervisor has no effect.
    func withdraw(_ session: HTTPSession) {
        guard let (ticket, id) = session.ticket else { return }
        forgetTicket(of: session)
        waiting[ticket] = nil
        requests.post(.abandoned(id, ticket))
        subscribers.statusChanged()
    }

    /// Operations have a ticket but are not queued requests.
    private func forgetTicket(of session: HTTPSession) {
        if let id = session.machine.request?.service { services.unqueued(from: id) }
        session.ticket = nil
    }
}
