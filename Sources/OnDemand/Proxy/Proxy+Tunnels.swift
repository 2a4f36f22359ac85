/// The limits of open tunnels: frames that break the rules, sides that have ended, clients too fast or too slow.
extension Proxy {
    /// After a turn in which something rare happened.
    func attend(to index: Int, after turn: Link.Turn) {
        let (hasOffence, isHeldBack) = board.links.look(at: index) { ($0.offence != nil, $0.up.isHeldBack) }
        if hasOffence { noteOffence(of: index) }
        if turn.backendBroke { tell(of: index, "backend_ended", .internalError) }
        if isHeldBack { armPace(of: index) }
        armTunnelDeadline(of: index)
    }

    /// The link has begun its goodbye already; here it is told to whoever looks for the reason.
    private func noteOffence(of index: Int) {
        guard let offence = links[index].offence else { return }
        links[index].offence = nil
        switch offence.side {
        case .client:
            let word = offence.violation == .messageTooBig ? "message_too_big" : "protocol_violation"
            tell(of: index, word, offence.violation.closeCode, detail: offence.violation.reason)
        case .upstream:
            tell(of: index, offence.violation.reason, .internalError, as: .upstreamTrouble)
        }
    }

    /// A tunnel is closed by the daemon itself: a line with its service, its client and the reason, within the budget
    /// of its service.
    private func tell(
        of index: Int, _ reason: String, _ code: CloseCode?, detail: String? = nil,
        as event: LogEvent = .connectionAborted
    ) {
        guard let lease = links[index].lease else { return }
        tell(event, lease.backend, clientName(of: links[index], at: index), reason, code, detail: detail)
    }

    /// At its end, where nothing has been told of it before.
    func noteAbort(of link: Link, at index: Int, _ lease: Link.Lease, _ hangup: Hangup) {
        switch hangup {
        case .stalled, .noProgress: break
        case .backendGone, .upstreamReset: guard !link.spokeForBackend, !link.farewell.isSaid else { return }
        case .done, .clientClosed, .clientLeft, .clientReset, .idle, .farewell, .shuttingDown: return
        }
        tell(.connectionAborted, lease.backend, clientName(of: link, at: index), hangup.rawValue)
    }

    /// The same for a request whose client takes nothing of its response.
    func noteAbort(of conversation: Link.Conversation, _ hangup: Hangup) {
        guard hangup == .stalled, let id = conversation.machine.request?.service else { return }
        tell(.connectionAborted, id, conversation.machine.remoteAddress, hangup.rawValue)
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

    /// As `$remote_addr` shows it; of a peer that is gone already the system tells no address.
    private func clientName(of link: Link, at index: Int) -> String {
        announcedClient(of: index) ?? kernel.peerAddress(of: link.client.descriptor)?.host ?? "unknown"
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
        if links.count == 0 { announcedClients = [] }
    }

    // MARK: Deadlines

    private func armTunnelDeadline(of index: Int) {
        guard let (wanted, token) = board.deadlineToArm(of: index) else { return }
        reactor.arm(.conversation(token), at: kernel.now() + limit(of: wanted, index))
    }

    private func limit(of deadline: Link.Deadline, _ index: Int) -> Duration {
        switch deadline {
        case .leave, .farewell: Limits.closeTimeout
        case .progress, .stall:
            board.links.look(at: index) { $0.lease }.map { upstreams[$0.backend.index].limits.stallTimeout }
                ?? Limits.stallTimeout
        }
    }

    func tunnelTimerFired(_ index: Int) {
        guard let armed = links[index].armed else { return }
        links[index].armed = nil
        let hasMoved = links[index].moved(for: armed) != links[index].movedWhenArmed
        switch (armed, links[index].farewell) {
        case (.leave, .planned(let code)): takeLeave(of: index, code)
        case (.farewell, _): close(index, .farewell)
        case (.progress, .none) where !hasMoved: close(index, .noProgress)
        case (.stall, .none) where !hasMoved && !links[index].down.pending.isEmpty: close(index, .stalled)
        case (.leave, _), (.progress, _), (.stall, _): armTunnelDeadline(of: index)
        }
    }

    /// Until it may send again nothing is read from it, and its own socket holds it back.
    private func armPace(of index: Int) {
        guard let moment = links[index].pace?.next(after: kernel.now()) else { return paceIsOver(index) }
        reactor.arm(.pace(clientToken(index)), at: moment)
    }

    func paceTimerFired(_ token: Token) {
        guard links.contains(index: token.index, generation: token.generation) else { return }
        paceIsOver(token.index)
    }

    private func paceIsOver(_ index: Int) {
        links[index].up.isHeldBack = false
        reactor.resumeLater(clientToken(index))
    }
}
