/// What the log says of requests, and the counters of local replies.
final class ProxyLog<K: Kernel> {
    let log: Log
    private let kernel: K
    private let services: ServiceTable<K>
    private let relay: TunnelRelay<K>
    private let mailboxes: ProxyMailboxes
    /// Local replies to clients, by status in order of first use.
    private(set) var localReplies: [(status: Int, count: Int)] = []
    /// Limits lines about wrong tokens.
    private var unauthorized = LogThrottle()

    init(log: Log, services: ServiceTable<K>, relay: TunnelRelay<K>, mailboxes: ProxyMailboxes) {
        (self.log, self.services, self.relay, self.mailboxes) = (log, services, relay, mailboxes)
        kernel = relay.kernel
    }

    // MARK: Requests

    func queued(_ session: HTTPSession, at id: BackendID) { log.record(.queued, [service(id)] + about(session)) }

    func firstRequest(_ session: HTTPSession, of id: BackendID, _ generation: Generation) {
        log.record(
            .firstRequest,
            [service(id), LogField("generation", generation.number)] + about(session)
                + [LogField("request", session.machine.request?.shownLine ?? "")])
    }

    func tunnelOpened(_ session: HTTPSession, to id: BackendID) {
        log.record(.tunnelOpened, [service(id)] + about(session))
    }

    /// A tunnel of a cable's client, which the cable server goes on with.
    func tunnelOpened(to id: BackendID) { log.record(.tunnelOpened, [service(id)]) }

    func refused(_ refusal: Refusal, by id: BackendID, _ session: HTTPSession) {
        services.refused(by: id, refusal.reason)
        let reasons = [LogField("reason", refusal.word), LogField("status", 503)]
        log.record(.refused, [service(id)] + reasons + about(session))
    }

    /// Logs a request whose client reads nothing of its response.
    func aborted(_ session: HTTPSession, _ termination: TerminationReason) {
        guard termination == .stalled, let id = session.machine.request?.service else { return }
        relay.logAbort(.connectionAborted, id, session.machine.remoteAddress, termination.rawValue)
    }

    func failed(_ error: SystemError) { log(.systemError, LogField("detail", error.description)) }

    // MARK: Local replies

    func localReply(of session: HTTPSession) {
        guard let response = session.machine.takeLocalReply(), response.status != 503 else { return }
        if let command = session.machine.request?.parsed.command { reportRejection(response, of: command) }
        if session.purpose.isForClients { count(response.status) }
        guard !response.isWrongSecret else { return wrongSecret(of: session) }
        // 501 and 505 are caused by the client's request.
        let isAboutBackend = response.status == 502 || response.status == 504
        var fields = [LogField("status", response.status), LogField("reason", response.body)] + about(session)
        fields.append(LogField("request", session.machine.request?.shownLine ?? ""))
        if let limit = response.limit { fields.append(LogField("limit", limit)) }
        if let origin = session.machine.request?.parsed.refusedOrigin {
            fields.append(LogField("origin", origin))
        }
        log.record(isAboutBackend ? .upstreamError : .badRequest, fields)
    }

    /// The command runner counts the requests that were rejected before it got them.
    private func reportRejection(_ response: LocalReply, of id: CommandID) {
        switch response.status {
        case 401: mailboxes.post(.rejected(id, .unauthorized))
        case 413: mailboxes.post(.rejected(id, .tooLarge))
        default: break
        }
    }

    /// Logs a wrong token with the client's address and never with the token.
    func wrongSecret(of session: HTTPSession) {
        guard let suppressed = unauthorized.admit(at: kernel.now()) else { return }
        var fields = [LogField("client", session.machine.remoteAddress)]
        fields.append(LogField("path", session.machine.request?.shownPath ?? ""))
        if suppressed > 0 { fields.append(LogField("suppressed", suppressed)) }
        log.record(.unauthorized, fields)
    }

    private func count(_ status: Int) {
        if let position = localReplies.firstIndex(where: { $0.status == status }) {
            localReplies[position].count += 1
        } else {
            localReplies.append((status, 1))
        }
    }

    // MARK: Fields

    /// Log fields with the client and the request identifier.
    private func about(_ session: HTTPSession) -> [LogField] {
        let client = LogField("client", session.machine.remoteAddress)
        return [client] + (session.machine.request.map { [LogField("request_id", $0.id)] } ?? [])
    }

    private func service(_ id: BackendID) -> LogField { LogField("service", services.name(of: id)) }
}
