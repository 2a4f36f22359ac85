/// Leases and tickets: how a request gets to its backend, and how its use ends.
extension Proxy {
    func enterGate(of id: BackendID, _ session: HTTPSession) {
        if let limit = upstreams[id.index].limits.maximumConnections,
            openCount(of: id) + upstreams[id.index].queued >= limit
        {
            let refusal = Refusal.tooManyConnections(limit: limit)
            session.machine.refused(refusal, retryAfter: Refusal.connectionLimitRetry)
            return logRefusal(refusal, id, session)
        }
        if let generation = upstreams[id.index].gate.enter() {
            admit(session, to: id, generation)
        } else {
            let ticket = issueTicket(for: id, session)
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
    func issueTicket(for id: BackendID, _ session: HTTPSession) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        queued[ticket] = session.token
        session.ticket = (ticket, id)
        return ticket
    }

    func admit(_ session: HTTPSession, to id: BackendID, _ generation: Generation) {
        session.lease = .init(backend: id, generation: generation)
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

    func reject(from id: BackendID, _ session: HTTPSession) {
        session.machine.refused(.disabled, retryAfter: nil)
        logRefusal(.disabled, id, session)
    }

    func handle(_ reply: BackendReply) {
        switch reply {
        case .admitted(let id, let ticket, let generation):
            guard let session = redeem(ticket) else {
                // The client left before the admission arrived.
                return returnLease(.init(backend: id, generation: generation))
            }
            admit(session, to: id, generation)
            runSteps(session.token.index, session)
        case .refused(let ticket, let refusal, let retryAfter):
            guard let session = redeem(ticket), let id = session.machine.request?.service else {
                return
            }
            session.machine.refused(refusal, retryAfter: retryAfter)
            logRefusal(refusal, id, session)
            runSteps(session.token.index, session)
        case .closeTunnels(let id, let generation, let reason, let window):
            let lease = Lease(backend: id, generation: generation)
            let code = CloseCode(reason)
            upstreams[id.index].closing = (generation, code)
            closeTunnels(of: lease, code, over: window)
            reportDrained(from: lease)
        case .generationEnded(let id, let generation):
            endGeneration(.init(backend: id, generation: generation))
        case .commandEnded(let ticket, let outcome):
            guard let session = redeem(ticket) else { return }
            serve(LocalReply(outcome), session)
            runSteps(session.token.index, session)
        case .printed(let id, let line):
            pass(line, of: id)
        case .stateChanged(let id):
            closeIdleUpstreamsOfClosedGate(id)
            statusChanged()
        }
    }

    func redeem(_ ticket: Ticket) -> HTTPSession? {
        guard let token = queued.removeValue(forKey: ticket), let session = session(named: token) else { return nil }
        forgetTicket(of: session)
        return session
    }

    /// Operator commands have a ticket but are not queued requests.
    func forgetTicket(of session: HTTPSession) {
        if let id = session.machine.request?.service { upstreams[id.index].queued -= 1 }
        session.ticket = nil
    }

    /// Withdraws the ticket. A later decision of the supervisor has no effect.
    func abandonTicket(of session: HTTPSession) {
        guard let (ticket, id) = session.ticket else { return }
        forgetTicket(of: session)
        queued[ticket] = nil
        requests.post(.abandoned(id, ticket))
        statusChanged()
    }

    /// Handles the end of a backend's generation. Its sockets have reported their end, or another process still holds
    /// them.
    private func endGeneration(_ lease: Lease) {
        closeIdleUpstreams { $0 == lease }
        for index in sessions.indices {
            guard let session = sessions[index], session.lease == lease else { continue }
            if !session.machine.backendGenerationEnded() {
                session.hasGenerationEnded = true
                session.upstream?.readiness.insert(.readable)
                let hasEnded = session.upstream?.readiness.contains(.peerEnded) ?? false
                if !hasEnded { session.machine.upstreamFailed() }
            }
            runSteps(index, session)
        }
        relay.endTunnels(of: lease)
        sendToWorkers(.generationEnded(lease))
    }

    /// Sends close frames to all tunnels of this thread and of the workers, or to those of one generation.
    func closeTunnels(of lease: Lease?, _ code: CloseCode, over window: Duration) {
        sendToWorkers(.closeTunnels(lease, code, over: window))
        relay.closeTunnels(of: lease, code, over: window)
    }

    func returnLease(_ lease: Lease) {
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

    func endUse(of lease: Lease, wasUncounted: Bool) {
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
    func reportDrained(from lease: Lease) {
        let upstream = upstreams[lease.backend.index]
        guard upstream.closing?.generation == lease.generation, openCount(of: lease.backend) == 0 else { return }
        requests.post(.tunnelsDrained(lease.backend, lease.generation))
    }
}

extension CloseCode {
    /// 1012 and 1013 tell the client whether an immediate reconnect is useful (RFC 6455, 11.7).
    init(_ reason: CloseReason) {
        self =
            switch reason {
            case .goingAway: .goingAway
            case .restarts: .serviceRestart
            case .staysAway: .tryAgainLater
            }
    }
}
