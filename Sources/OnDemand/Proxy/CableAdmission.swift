/// The way of a cable's clients to the cable server: limits, tokens, and the transfer of their connection.
///
/// Invariant: a client is counted for its cable from its transfer until the cable server has reported its end. A client
/// that the cable's backend is asked to accept counts, too, until it has an answer.
final class CableAdmission<K: Kernel> {
    private let kernel: K
    private let sessions: HTTPSessionTable
    private let log: ProxyLog<K>
    /// Clients of each cable, by the index of its `CableID`.
    private var counts: [Int] = []
    /// By the index of the `CableID`; for cables with a limit of connections.
    private var asking: [AskingClients] = []

    /// Clients that a cable's backend was asked to accept. Some have their answer by now.
    private struct AskingClients {
        var tokens: Set<Token> = []
        /// Those with an answer are forgotten at this count, so that looking for them costs little for each client.
        var nextLook = 64
    }

    init(kernel: K, sessions: HTTPSessionTable, log: ProxyLog<K>) {
        (self.kernel, self.sessions, self.log) = (kernel, sessions, log)
    }

    // MARK: Counts

    func count(of id: CableID) -> Int { counts.indices.contains(id.index) ? counts[id.index] : 0 }

    /// Clients of all cables.
    var totalCount: Int { counts.reduce(0, +) }

    private func transferred(to id: CableID) {
        while counts.count <= id.index { counts.append(0) }
        counts[id.index] += 1
    }

    func ended(_ id: CableID) { counts[id.index] -= 1 }

    /// Whether no client and no request refers to this cable, and no message about one is on its way.
    func isUnused(_ id: CableID) -> Bool {
        count(of: id) == 0 && sessions.all.allSatisfy { !$0.machine.mayConcern(id) }
    }

    /// The cable's backend is asked to accept this client, which counts until it has an answer.
    private func noteAsking(_ session: HTTPSession, for id: CableID) {
        while asking.count <= id.index { asking.append(AskingClients()) }
        asking[id.index].tokens.insert(session.token)
        if asking[id.index].tokens.count >= asking[id.index].nextLook { forgetAnswered(by: id) }
    }

    private func forgetAnswered(by id: CableID) {
        let left = asking[id.index].tokens.filter { token in
            sessions.named(token)?.machine.asksBackend(for: id) == true
        }
        asking[id.index] = AskingClients(tokens: left, nextLook: 2 * left.count + 64)
    }

    /// Counts clients that ask their backend only near the limit: most of them may have their answer.
    private func hasReached(_ limit: Int, _ id: CableID) -> Bool {
        guard asking.indices.contains(id.index) else { return count(of: id) >= limit }
        guard count(of: id) + asking[id.index].tokens.count >= limit else { return false }
        forgetAnswered(by: id)
        return count(of: id) + asking[id.index].tokens.count >= limit
    }

    // MARK: Transfers

    /// Verifies the client's token. Returns its connection for the cable server; nil if the session goes on, with a
    /// response or with the request to the cable's backend.
    func open(_ id: CableID, _ session: HTTPSession, isDraining: Bool) -> CableSessionTransfer? {
        guard let upgrade = session.machine.request?.parsed.cable?.upgrade else {
            preconditionFailure("a cable client without a handshake")
        }
        let access = session.machine.rules.cables[id.index]
        if let rejection = rejection(of: access, id, isDraining: isDraining) {
            session.machine.respond(rejection, closing: true)
            return nil
        }
        let verdict = verdict(on: upgrade, access)
        if case .refused = verdict {
            let rejection = LocalReply(
                status: 401, body: "Missing or invalid token.", isWrongSecret: upgrade.token != nil)
            guard upgrade.cableProtocol == .actionCable else {
                session.machine.respond(rejection, closing: true)
                return nil
            }
            if upgrade.token != nil { log.wrongSecret(of: session) }
        }
        guard case .accepted = verdict, access.backend != nil, upgrade.cableProtocol == .actionCable else {
            return transfer(session, upgrade, verdict, to: id)
        }
        guard !access.backendAccepts else {
            session.machine.request?.note(identifiers: verdict.identifiers)
            if access.maximumConnections != nil { noteAsking(session, for: id) }
            session.machine.proceedToBackend()
            return nil
        }
        guard let backend = backendTransfer(of: session, upgrade, upstream: nil) else {
            session.machine.respond(LocalReply(status: 431, body: "The request header is too long."), closing: true)
            return nil
        }
        return transfer(session, upgrade, verdict, to: id, backend)
    }

    private func rejection(of access: CableAccess, _ id: CableID, isDraining: Bool) -> LocalReply? {
        if isDraining { return LocalReply(status: 503, body: "ondemandd is shutting down.") }
        guard let limit = access.maximumConnections, hasReached(limit, id) else { return nil }
        return LocalReply(
            status: 503, body: "The cable \"\(access.name)\" has \(limit) connections already.",
            retryAfterSeconds: Refusal.connectionLimitRetry.secondsRoundedUp)
    }

    private func verdict(on upgrade: CableUpgrade, _ access: CableAccess) -> CableSessionTransfer.Verdict {
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

    /// The backend has accepted a client of a cable: both sockets move to the cable server. nil: the connection is a
    /// tunnel, because another subprotocol was chosen or the request cannot be repeated.
    func openAccepted(_ session: HTTPSession) -> CableSessionTransfer? {
        guard let opening = session.machine.tunnelOpening, opening.switchesToActionCable,
            let handshake = session.machine.request?.parsed.cable,
            let lease = session.lease, let descriptor = session.upstream?.descriptor,
            StoredRequest(head: handshake.upgrade.backendHead) != nil
        else { return nil }
        let (id, upgrade) = (handshake.id, handshake.upgrade)
        let bytes = session.machine.takeTunnelBytes()
        var (response, unsent) = (bytes.head, bytes.restOfHead)
        let upstream = UpstreamTransfer(
            descriptor: descriptor, generation: lease.generation, unsent: unsent.takeAll(), received: bytes.earlyFrames,
            hasSubprotocol: opening.hasSubprotocol)
        guard let backend = backendTransfer(of: session, upgrade, upstream: upstream) else { return nil }
        if let service = session.machine.request?.service { log.tunnelOpened(to: service) }
        kernel.unwatch(descriptor)
        session.upstream = nil
        session.lease = nil
        return transfer(
            session, upgrade, .accepted(identifiers: upgrade.identifiers), to: id, backend,
            response: response.takeAll(), earlyBytes: bytes.toUpstream)
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

    private func transfer(
        _ session: HTTPSession, _ upgrade: CableUpgrade, _ verdict: CableSessionTransfer.Verdict, to id: CableID,
        _ backend: BackendTransfer? = nil, response: [UInt8]? = nil, earlyBytes: [UInt8]? = nil
    ) -> CableSessionTransfer {
        transferred(to: id)
        return CableSessionTransfer(
            cable: id, descriptor: session.client.descriptor, admission: session.admission, upgrade: upgrade,
            response: response ?? upgrade.response, verdict: verdict,
            earlyBytes: earlyBytes ?? session.machine.takeEarlyBytes(), address: session.machine.remoteAddress,
            backend: backend)
    }
}
