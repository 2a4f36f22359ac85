/// Clients of cables on their way to the cable server.
extension Proxy {

    /// Verifies the client's token and transfers the connection to the cable server.
    func openCableSession(of id: CableID, _ index: Int, _ session: HTTPSession) -> Bool {
        guard let upgrade = session.machine.request?.parsed.cable?.upgrade else {
            preconditionFailure("a cable client without a handshake")
        }
        let access = session.machine.rules.cables[id.index]
        guard !isDraining else {
            session.machine.respond(LocalReply(status: 503, body: "ondemandd is shutting down."), closing: true)
            return true
        }
        if let limit = access.maximumConnections, hasReached(limit, id) {
            session.machine.respond(
                LocalReply(
                    status: 503, body: "The cable \"\(access.name)\" has \(limit) connections already.",
                    retryAfterSeconds: Refusal.connectionLimitRetry.secondsRoundedUp), closing: true)
            return true
        }
        let verdict = verdict(on: upgrade, access)
        if case .refused = verdict {
            let rejection = LocalReply(
                status: 401, body: "Missing or invalid token.", isWrongSecret: upgrade.token != nil)
            guard upgrade.cableProtocol == .actionCable else {
                session.machine.respond(rejection, closing: true)
                return true
            }
            if upgrade.token != nil { logWrongSecret(of: session) }
        }
        guard case .accepted = verdict, access.backend != nil, upgrade.cableProtocol == .actionCable else {
            handOver(index, session, upgrade, verdict, to: id)
            return false
        }
        guard !access.backendAccepts else {
            session.machine.request?.note(identifiers: verdict.identifiers)
            if access.maximumConnections != nil { noteAsking(session, for: id) }
            session.machine.proceedToBackend()
            return true
        }
        guard let transfer = backendTransfer(of: session, upgrade, upstream: nil) else {
            session.machine.respond(LocalReply(status: 431, body: "The request header is too long."), closing: true)
            return true
        }
        handOver(index, session, upgrade, verdict, to: id, transfer)
        return false
    }

    /// The way to the backend of a cable's client; nil where the request cannot be repeated later.
    private func backendTransfer(
        of session: HTTPSession, _ upgrade: CableUpgrade, upstream: UpstreamTransfer?
    ) -> BackendTransfer? {
        guard let id = session.machine.request?.service, let request = StoredRequest(head: upgrade.backendHead) else {
            return nil
        }
        let path = session.machine.request?.shownPath ?? ""
        return BackendTransfer(id: id, request: request, path: path, upstream: upstream)
    }

    /// The backend has accepted a client of a cable: both sockets move to the cable server. Returns false for a
    /// connection that is a tunnel: another subprotocol was chosen, or the request cannot be repeated.
    func openCableSession(_ index: Int, _ session: HTTPSession) -> Bool {
        guard let opening = session.machine.tunnelOpening, opening.switchesToActionCable,
            let handshake = session.machine.request?.parsed.cable,
            let lease = session.lease, let descriptor = session.upstream?.descriptor,
            StoredRequest(head: handshake.upgrade.backendHead) != nil
        else { return false }
        let (id, upgrade) = (handshake.id, handshake.upgrade)
        let bytes = session.machine.takeTunnelBytes()
        var (response, unsent) = (bytes.head, bytes.restOfHead)
        let upstream = UpstreamTransfer(
            descriptor: descriptor, generation: lease.generation, unsent: unsent.takeAll(), received: bytes.earlyFrames,
            hasSubprotocol: opening.hasSubprotocol)
        guard let transfer = backendTransfer(of: session, upgrade, upstream: upstream) else { return false }
        if let service = session.machine.request?.service {
            log.record(
                .tunnelOpened, [LogField("service", upstreams[service.index].name)])
        }
        kernel.unwatch(descriptor)
        session.upstream = nil
        session.lease = nil
        handOver(
            index, session, upgrade, .accepted(identifiers: upgrade.identifiers), to: id, transfer,
            response: response.takeAll(), earlyBytes: bytes.toUpstream)
        return true
    }

    private func verdict(on upgrade: CableUpgrade, _ access: CableAccess) -> SessionTransfer.Verdict {
        guard let tokens = access.tokens else { return .accepted(identifiers: nil) }
        guard let token = upgrade.token else {
            return tokens.isRequired ? .refused(.unauthorized) : .accepted(identifiers: nil)
        }
        return switch tokens.verifier.verdict(on: token.span, at: Int(kernel.wallClock().seconds)) {
        case .valid(let identifiers): .accepted(identifiers: identifiers)
        case .expired: .refused(.tokenExpired)
        case .unauthorized: .refused(.unauthorized)
        }
    }

    private func handOver(
        _ index: Int, _ session: HTTPSession, _ upgrade: CableUpgrade, _ verdict: SessionTransfer.Verdict,
        to id: CableID, _ backend: BackendTransfer? = nil, response: [UInt8]? = nil, earlyBytes: [UInt8]? = nil
    ) {
        let address = session.machine.remoteAddress
        let earlyBytes = earlyBytes ?? session.machine.takeEarlyBytes()
        end(session)
        relay.freeSlot(index)
        kernel.unwatch(session.client.descriptor)
        while sessionCounts.count <= id.index { sessionCounts.append(0) }
        sessionCounts[id.index] += 1
        scheduleMemoryTrim()
        requests.post(.cableWork)
        cableRequests.post(
            .open(
                SessionTransfer(
                    cable: id, descriptor: session.client.descriptor, admission: session.admission,
                    upgrade: upgrade, response: response ?? upgrade.response, verdict: verdict,
                    earlyBytes: earlyBytes, address: address, backend: backend)))
    }

    func sessionCount(of id: CableID) -> Int { sessionCounts.indices.contains(id.index) ? sessionCounts[id.index] : 0 }

    /// The cable's backend is asked to accept this client, which counts until it has an answer.
    private func noteAsking(_ session: HTTPSession, for id: CableID) {
        while askingClients.count <= id.index { askingClients.append(AskingClients()) }
        askingClients[id.index].tokens.insert(session.token)
        guard askingClients[id.index].tokens.count >= askingClients[id.index].nextLook else { return }
        forgetAnswered(by: id)
    }

    private func forgetAnswered(by id: CableID) {
        let asking = askingClients[id.index].tokens.filter { token in
            session(named: token)?.machine.asksBackend(for: id) == true
        }
        askingClients[id.index] = AskingClients(tokens: asking, nextLook: 2 * asking.count + 64)
    }

    /// Counts clients that ask their backend only near the limit: most of them may have their answer.
    private func hasReached(_ limit: Int, _ id: CableID) -> Bool {
        guard askingClients.indices.contains(id.index) else { return sessionCount(of: id) >= limit }
        guard sessionCount(of: id) + askingClients[id.index].tokens.count >= limit else { return false }
        forgetAnswered(by: id)
        return sessionCount(of: id) + askingClients[id.index].tokens.count >= limit
    }

    /// Whether no client and no request refers to this cable, and no message about one is on its way.
    func isUnused(_ id: CableID) -> Bool {
        sessionCount(of: id) == 0
            && sessions.all.allSatisfy { !$0.machine.mayConcern(id) }
    }

    func handle(_ reply: CableReply) {
        switch reply {
        case .response(let response, let requester): respond(response, to: requester)
        case .sessionEnded(let id, let admission):
            sessionCounts[id.index] -= 1
            releaseAdmission(admission)
            scheduleMemoryTrim()
        case .upstreamEnded(let id, let generation, let wasUncounted):
            endUse(of: .init(backend: id, generation: generation), wasUncounted: wasUncounted)
        case .upstreamUncounted(let id, let generation):
            upstreams[id.index].uncounted += 1
            returnLease(.init(backend: id, generation: generation))
        case .upstreamCounted(let id, _):
            upstreams[id.index].uncounted -= 1
            recordConnectionCount(of: id)
        }
    }
}
