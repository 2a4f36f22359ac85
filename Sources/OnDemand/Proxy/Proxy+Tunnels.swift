/// Limits of open tunnels: protocol violations, half-closed tunnels, message rate, stalled clients.
extension Proxy {
    /// Handles a turn that needs attention.
    func attend(to index: Int, after outcome: Connection.RelayOutcome) {
        let (hasViolation, isPaused) = table.connections.peek(at: index) {
            ($0.protocolViolation != nil, $0.up.isPaused)
        }
        if hasViolation { logViolation(of: index) }
        if outcome.backendBroke { logAbort(of: index, "backend_ended", .internalError) }
        if isPaused { armRateLimit(of: index) }
        armTunnelDeadline(of: index)
    }

    /// Logs the protocol violation of a tunnel. The close handshake has already begun.
    private func logViolation(of index: Int) {
        guard let protocolViolation = connections[index].protocolViolation else { return }
        connections[index].protocolViolation = nil
        switch protocolViolation.side {
        case .client:
            let word = protocolViolation.violation == .messageTooBig ? "message_too_big" : "protocol_violation"
            logAbort(of: index, word, protocolViolation.violation.closeCode, detail: protocolViolation.violation.reason)
        case .upstream:
            logAbort(of: index, protocolViolation.violation.reason, .internalError, as: .upstreamError)
        }
    }

    /// Logs a tunnel that the daemon closes: service, client and reason, within the line budget of the service.
    private func logAbort(
        of index: Int, _ reason: String, _ code: CloseCode?, detail: String? = nil,
        as event: LogEvent = .connectionAborted
    ) {
        guard let lease = connections[index].lease else { return }
        logAbort(event, lease.backend, clientName(of: connections[index], at: index), reason, code, detail: detail)
    }

    /// Logs the end of a tunnel unless its cause is already logged or ordinary.
    func noteAbort(
        of connection: Connection, at index: Int, _ lease: Connection.Lease, _ termination: TerminationReason
    ) {
        switch termination {
        case .stalled, .noProgress: break
        case .backendGone, .upstreamReset:
            guard !connection.sentCloseForBackend, !connection.closeHandshake.isSent else { return }
        case .done, .clientClosed, .clientLeft, .clientReset, .idle, .closeHandshake, .shuttingDown: return
        }
        logAbort(.connectionAborted, lease.backend, clientName(of: connection, at: index), termination.rawValue)
    }

    /// Logs a request whose client reads nothing of its response.
    func noteAbort(of session: Connection.HTTPSession, _ termination: TerminationReason) {
        guard termination == .stalled, let id = session.machine.request?.service else { return }
        logAbort(.connectionAborted, id, session.machine.remoteAddress, termination.rawValue)
    }

    private func logAbort(
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

    /// The client address as in `$remote_addr`. The kernel returns no address for a disconnected peer.
    private func clientName(of connection: Connection, at index: Int) -> String {
        announcedClient(of: index) ?? connection.admission.address.text
    }

    // MARK: Announced clients

    /// The client's address from a PROXY header. nil: the peer address applies.
    func announcedClient(of index: Int) -> String? {
        announcedClients.indices.contains(index) ? announcedClients[index] : nil
    }

    /// Stored outside the connections, so that it costs no memory without PROXY headers.
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
        case .closeDelay, .closeHandshake: Limits.closeTimeout
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
        case (.closeDelay, .scheduled(let code)): closeTunnels(of: index, code)
        case (.closeHandshake, _): close(index, .closeHandshake)
        case (.progress, .none) where !hasMoved: close(index, .noProgress)
        case (.stall, .none) where !hasMoved && !connections[index].down.pending.isEmpty: close(index, .stalled)
        case (.closeDelay, _), (.progress, _), (.stall, _): armTunnelDeadline(of: index)
        }
    }

    /// Stops reading from the client until the rate limit allows the next message. TCP flow control then slows the
    /// client.
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
