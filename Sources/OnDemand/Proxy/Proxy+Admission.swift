/// Leases and tickets: how a request gets to its backend, and how its use ends.
extension Proxy {
    func enterGate(of id: BackendID, _ index: Int, _ session: Connection.HTTPSession) {
        if let limit = upstreams[id.index].limits.maximumConnections,
            openCount(of: id) + upstreams[id.index].queued >= limit
        {
            let refusal = Refusal.tooManyConnections(limit: limit)
            session.machine.refused(refusal, retryAfter: Refusal.connectionLimitRetry)
            return logRefusal(refusal, id, session)
        }
        if let generation = upstreams[id.index].gate.enter() {
            admit(index, session, to: id, generation)
        } else {
            let ticket = issueTicket(for: id, index, session)
            upstreams[id.index].queued += 1
            admissions[id.index].queued += 1
            session.machine.queued()
            log.record(.queued, [service(id)] + about(session))
            let request = session.machine.forwardedRequest
            let cause: WakeCause = request?.opensWebSocket == true ? .upgrade : .request
            let client = ClientInfo(
                address: session.machine.remoteAddress, path: request?.shownPath ?? "",
                agent: request?.shownAgent)
            requests.post(.wanted(id, ticket, cause, mayWake: request?.forwarding.mayWake ?? true, by: client))
            statusChanged()
        }
    }

    /// Issues a ticket. The supervisor's reply refers to the session by it.
    func issueTicket(for id: BackendID, _ index: Int, _ session: Connection.HTTPSession) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        queued[ticket] = clientToken(index)
        session.ticket = (ticket, id)
        return ticket
    }

    func admit(_ index: Int, _ session: Connection.HTTPSession, to id: BackendID, _ generation: Generation) {
        connections[index].lease = .init(backend: id, generation: generation)
        session.machine.admitted()
        upstreams[id.index].move(to: generation)
        recordConnectionCount(of: id)
        if upstreams[id.index].firstRequestSeen != generation {
            upstreams[id.index].firstRequestSeen = generation
            log.record(
                .firstRequest,
                [service(id), LogField("generation", generation.number)] + about(session)
                    + [LogField("request", session.machine.request?.shownLine ?? "")])
        }
        statusChanged()
    }

    func reject(from id: BackendID, _ session: Connection.HTTPSession) {
        session.machine.refused(.disabled, retryAfter: nil)
        logRefusal(.disabled, id, session)
    }

    func handle(_ reply: BackendReply) {
        switch reply {
        case .admitted(let id, let ticket, let generation):
            guard let (index, session) = redeem(ticket) else {
                // The client left before the admission arrived.
                return returnLease(.init(backend: id, generation: generation))
            }
            admit(index, session, to: id, generation)
            drive(index)
        case .refused(let ticket, let refusal, let retryAfter):
            guard let (index, session) = redeem(ticket), let id = session.machine.request?.service else {
                return
            }
            session.machine.refused(refusal, retryAfter: retryAfter)
            logRefusal(refusal, id, session)
            drive(index)
        case .closeTunnels(let id, let generation, let reason, let window):
            let lease = Connection.Lease(backend: id, generation: generation)
            let code = CloseCode(reason)
            upstreams[id.index].closing = (generation, code)
            closeTunnels(of: lease, code, over: window)
            reportDrained(from: lease)
        case .generationEnded(let id, let generation):
            endLinks(of: .init(backend: id, generation: generation))
            sendToWorkers(.generationEnded(.init(backend: id, generation: generation)))
        case .commandEnded(let ticket, let outcome):
            guard let (index, session) = redeem(ticket) else { return }
            serve(LocalReply(outcome), session)
            drive(index)
        case .printed(let id, let line):
            pass(line, of: id)
        case .stateChanged(let id):
            closeIdleUpstreamsOfClosedGate(id)
            statusChanged()
        }
    }

    func redeem(_ ticket: Ticket) -> (index: Int, session: Connection.HTTPSession)? {
        guard let token = queued.removeValue(forKey: ticket),
            connections.contains(index: token.index, generation: token.generation),
            let session = connections[token.index].session
        else { return nil }
        forgetTicket(of: session)
        return (token.index, session)
    }

    /// Operator commands have a ticket but are not queued requests.
    func forgetTicket(of session: Connection.HTTPSession) {
        if let id = session.machine.request?.service { upstreams[id.index].queued -= 1 }
        session.ticket = nil
    }

    /// Withdraws the ticket. A later decision of the supervisor has no effect.
    func abandonTicket(of session: Connection.HTTPSession) {
        guard let (ticket, id) = session.ticket else { return }
        forgetTicket(of: session)
        queued[ticket] = nil
        requests.post(.abandoned(id, ticket))
        statusChanged()
    }

    /// Handles the end of a backend's generation. Its sockets have reported their end, or another process still holds
    /// them.
    func endLinks(of lease: Connection.Lease) {
        closeIdleUpstreams { $0 == lease }
        for index in connections.indices where connections[index].lease == lease {
            if connections[index].session?.machine.backendGenerationEnded() == true {
                drive(index)
                continue
            }
            connections[index].backendIsGone = true
            connections[index].upstream?.readiness.insert(.readable)
            let hasEnded = connections[index].upstream?.readiness.contains(.peerEnded) ?? false
            if let session = connections[index].session, !hasEnded { session.machine.upstreamFailed() }
            drive(index)
        }
    }

    func returnLease(_ lease: Connection.Lease) {
        let gate = upstreams[lease.backend.index].gate
        if gate.leave(lease.generation) {
            if gate.isOpen {
                requests.post(.lastLeaseReturned(lease.backend, lease.generation))
            } else {
                reportDrained(from: lease)
            }
        }
        recordConnectionCount(of: lease.backend)
        statusChanged()
    }

    func endUse(of lease: Connection.Lease, wasUncounted: Bool) {
        if report(.leaseEnded(lease, wasUncounted: wasUncounted)) { return }
        guard wasUncounted else { return returnLease(lease) }
        upstreams[lease.backend.index].uncounted -= 1
        recordConnectionCount(of: lease.backend)
        reportDrained(from: lease)
        statusChanged()
    }

    func recordConnectionCount(of id: BackendID) {
        connectionHistories[id.index].connected(openCount(of: id), at: kernel.wallClock().seconds)
    }

    /// Reports that the last tunnel of a closing generation has ended.
    func reportDrained(from lease: Connection.Lease) {
        let upstream = upstreams[lease.backend.index]
        guard upstream.closing?.generation == lease.generation, openCount(of: lease.backend) == 0 else { return }
        requests.post(.tunnelsDrained(lease.backend, lease.generation))
    }

    /// Returns the lease of a new tunnel if the backend is idle without client data: then only data keeps it awake.
    func stopCounting(_ index: Int, _ lease: Connection.Lease) {
        guard upstreams[lease.backend.index].idleWhen == .noClientData else { return }
        connections[index].isUncounted = true
        upstreams[lease.backend.index].uncounted += 1
        returnLease(lease)
    }

    func recordClientData(_ index: Int) {
        guard let lease = connections[index].lease else { return }
        upstreams[lease.backend.index].gate.recordClientData(at: kernel.now())
    }
}
