/// The limits of open tunnels: frames that break the rules, sides that have ended, clients too fast or too slow.
extension Proxy {
    /// After a turn in which something rare happened.
    func attend(to index: Int, after outcome: Connection.RelayOutcome) {
        let (hasOffence, isPaused) = table.connections.peek(at: index) { ($0.protocolViolation != nil, $0.up.isPaused) }
        if hasOffence { logViolation(of: index) }
        if outcome.backendBroke { tell(of: index, "backend_ended", .internalError) }
        if isPaused { armRateLimit(of: index) }
        armTunnelDeadline(of: index)
    }

    /// The link has begun its goodbye already; here it is told to whoever looks for the reason.
    private func logViolation(of index: Int) {
        guard let protocolViolation = connections[index].protocolViolation else { return }
        connections[index].protocolViolation = nil
        switch protocolViolation.side {
        case .client:
            let word = protocolViolation.violation == .messageTooBig ? "message_too_big" : "protocol_violation"
            tell(of: index, word, protocolViolation.violation.closeCode, detail: protocolViolation.violation.reason)
        case .upstream:
            tell(of: index, protocolViolation.violation.reason, .internalError, as: .upstreamError)
        }
    }

    /// A tunnel is closed by the daemon itself: a line with its service, its client and the reason, within the budget
    /// of its service.
    private func tell(
        of index: Int, _ reason: String, _ code: CloseCode?, detail: String? = nil,
        as event: LogEvent = .connectionAborted
    ) {
        guard let lease = connections[index].lease else { return }
        tell(event, lease.backend, clientName(of: connections[index], at: index), reason, code, detail: detail)
    }

    /// At its end, where nothing has been told of it before.
    func noteAbort(
        of connection: Connection, at index: Int, _ lease: Connection.Lease, _ termination: TerminationReason
    ) {
        switch termination {
        case .stalled, .noProgress: break
        case .backendGone, .upstreamReset:
            guard !connection.sentCloseForBackend, !connection.closeHandshake.isSaid else { return }
        case .done, .clientClosed, .clientLeft, .clientReset, .idle, .closeHandshake, .shuttingDown: return
        }
        tell(.connectionAborted, lease.backend, clientName(of: connection, at: index), termination.rawValue)
    }

    /// The same for a request whose client takes nothing of its response.
    func noteAbort(of session: Connection.HTTPSession, _ termination: TerminationReason) {
        guard termination == .stalled, let id = session.machine.request?.service else { return }
        tell(.connectionAborted, id, session.machine.remoteAddress, termination.rawValue)
    }

    private func tell(
        _ event: LogEvent, _ id: BackendID, _ client: String, _ reason: String, _ code: CloseCode? = nil,
        detail: String? = nil
    ) {
        guard let leftOut = upstreams[id.index].aborts.spend(at: kernel.now()) else { return }
        var fields = [
            LogField("service", upstreams[id.index].name), LogField("client", client), LogField("reason", reason),
        ]
        if let code { fields.append(LogField("close_code", code.number)) }
        if let detail { fields.append(LogField("detail", detail)) }
        if leftOut > 0 { fields.append(LogField("left_out", leftOut)) }
        log.record(event, fields)
    }

    /// As `$remote_addr` shows it.
    private func clientName(of connection: Connection, at index: Int) -> String {
        announcedClient(of: index) ?? connection.admission.address.text
    }

    // MARK: Announced clients

    /// The client's address, where a proxy has announced it; nil where it is the peer's own.
    func announcedClient(of index: Int) -> String? {
        announcedClients.indices.contains(index) ? announcedClients[index] : nil
    }

    /// Kept beside the links: nobody pays for it where clients are their own peers.
    func noteAnnounced(_ client: String?, of index: Int) {
        guard client != nil || index < announcedClients.count else { return }
        while announcedClients.count <= index { announcedClients.append(nil) }
        announcedClients[index] = client
        if connections.count == 0 { announcedClients = [] }
    }

    // MARK: Deadlines

    private func armTunnelDeadline(of index: Int) {
        guard let (wanted, token) = table.deadlineToArm(of: index) else { return }
        reactor.arm(.connection(token), at: kernel.now() + limit(of: wanted, index))
    }

    private func limit(of deadline: Connection.Deadline, _ index: Int) -> Duration {
        switch deadline {
        case .leave, .closeHandshake: Limits.closeTimeout
        case .progress, .stall:
            table.connections.peek(at: index) { $0.lease }.map { upstreams[$0.backend.index].limits.sendTimeout }
                ?? Limits.sendTimeout
        }
    }

    func tunnelTimerFired(_ index: Int) {
        guard let armed = connections[index].armed else { return }
        connections[index].armed = nil
        let hasMoved = connections[index].moved(for: armed) != connections[index].movedWhenArmed
        switch (armed, connections[index].closeHandshake) {
        case (.leave, .planned(let code)): closeTunnels(of: index, code)
        case (.closeHandshake, _): close(index, .closeHandshake)
        case (.progress, .none) where !hasMoved: close(index, .noProgress)
        case (.stall, .none) where !hasMoved && !connections[index].down.pending.isEmpty: close(index, .stalled)
        case (.leave, _), (.progress, _), (.stall, _): armTunnelDeadline(of: index)
        }
    }

    /// Until it may send again nothing is read from it, and its own socket holds it back.
    private func armRateLimit(of index: Int) {
        guard let moment = connections[index].rateLimiter?.next(after: kernel.now()) else {
            return resumeReading(index)
        }
        reactor.arm(.rateLimiter(clientToken(index)), at: moment)
    }

    func rateLimitTimerFired(_ token: Token) {
        guard connections.contains(index: token.index, generation: token.generation) else { return }
        resumeReading(token.index)
    }

    private func resumeReading(_ index: Int) {
        connections[index].up.isPaused = false
        reactor.resumeLater(clientToken(index))
    }
}
