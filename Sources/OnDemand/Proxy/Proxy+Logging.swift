/// What the log says of requests.
extension Proxy {
    func logRefusal(_ refusal: Refusal, _ id: BackendID, _ session: HTTPSession) {
        admissions[id.index].refused[refusal.reason] += 1
        let reasons = [LogField("reason", refusal.word), LogField("status", 503)]
        log.record(.refused, [service(id)] + reasons + about(session))
    }

    func logLocalReply(of session: HTTPSession) {
        guard let response = session.machine.takeLocalReply(), response.status != 503 else { return }
        if let command = session.machine.request?.parsed.command { noteRejection(response, of: command) }
        if session.purpose.isForClients { count(localReply: response.status) }
        guard !response.isWrongSecret else { return logWrongSecret(of: session) }
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

    /// Logs a wrong token with the client's address and never with the token.
    func logWrongSecret(of session: HTTPSession) {
        guard let suppressed = unauthorizedLog.admit(at: kernel.now()) else { return }
        var fields = [LogField("client", session.machine.remoteAddress)]
        fields.append(LogField("path", session.machine.request?.shownPath ?? ""))
        if suppressed > 0 { fields.append(LogField("suppressed", suppressed)) }
        log.record(.unauthorized, fields)
    }

    /// Logs a request whose client reads nothing of its response.
    func noteAbort(of session: HTTPSession, _ termination: TerminationReason) {
        guard termination == .stalled, let id = session.machine.request?.service else { return }
        relay.logAbort(.connectionAborted, id, session.machine.remoteAddress, termination.rawValue)
    }

    func count(localReply status: Int) {
        if let position = localReplies.firstIndex(where: { $0.status == status }) {
            localReplies[position].count += 1
        } else {
            localReplies.append((status, 1))
        }
    }

    /// Log fields with the client and the request identifier.
    func about(_ session: HTTPSession) -> [LogField] {
        let client = LogField("client", session.machine.remoteAddress)
        return [client] + (session.machine.request.map { [LogField("request_id", $0.id)] } ?? [])
    }

    func service(_ id: BackendID) -> LogField { LogField("service", upstreams[id.index].name) }
}
