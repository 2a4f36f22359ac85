/// Performs the steps of HTTP sessions: from the accept to the end of the connection, or to its move to a tunnel or a
/// cable.
///
/// - `runSteps` performs steps until the machine rests or `Limits.stepsPerTurn` is reached.
/// - At the gate `ServiceTable` grants a lease, or `RequestQueue` asks the supervisor with a ticket.
/// - After a 101 the connection moves to the `TunnelRelay` of this thread or of a worker, or to the cable server.
///
/// Invariant: every lease, ticket, timer and descriptor of a session is released in `close`, or moves with its
/// connection.
final class HTTPSessionDriver<K: Kernel> {
    private let reactor: Reactor<K>
    private let relay: TunnelRelay<K>
    private let listeners: ProxyListeners<K>
    private let services: ServiceTable<K>
    private let sessions: HTTPSessionTable
    private let queue: RequestQueue<K>
    private let upstreams: UpstreamConnector<K>
    private let workers: WorkerPool<K>
    private let cables: CableAdmission<K>
    private let endpoints: LocalEndpoints<K>
    private let log: ProxyLog<K>
    private let memory: MemoryTrim<K>
    private let mailboxes: ProxyMailboxes
    /// Shutdown has begun. Connections close after their current request.
    private var isDraining = false
    /// The last request identifier. Starts at random, so that two runs of the daemon do not share identifiers.
    private var lastIdentity: UInt64

    private var kernel: K { reactor.kernel }

    init(_ parts: ProxyParts<K>, mailboxes: ProxyMailboxes, identity: UInt64) {
        reactor = parts.relay.reactor
        (relay, listeners, services, sessions) = (parts.relay, parts.listeners, parts.services, parts.sessions)
        (queue, upstreams, workers, cables) = (parts.queue, parts.upstreams, parts.workers, parts.cables)
        (endpoints, log, memory) = (parts.endpoints, parts.log, parts.memory)
        self.mailboxes = mailboxes
        lastIdentity = identity
    }

    // MARK: Events

    /// Handles an event of a session's socket.
    func ready(_ token: Token, _ readiness: Readiness) {
        guard let session = sessions[token.index], session.learn(readiness, for: token) else { return }
        if ConnectionToken(token) == .upstream { upstreams.finishConnecting(session) }
        runSteps(token.index, session)
    }

    /// The next attempt of a connect is due.
    func connectRetryFired(_ token: Token) {
        guard let session = sessions.named(token), upstreams.retryConnect(session) else { return }
        runSteps(token.index, session)
    }

    // MARK: Accepting

    func begin(_ arrival: ProxyListeners<K>.Arrival) {
        let slot = relay.takeSlot()
        let token = Token(ConnectionToken.client, index: slot.index, generation: slot.generation)
        let session = HTTPSession(
            machine: ExchangeMachine(rules: arrival.rules, peer: arrival.peer, identity: nextIdentity()),
            purpose: arrival.purpose, client: arrival.descriptor, token: token, arrival.admission)
        if arrival.admission.listener == nil { session.machine.reject() }
        sessions.insert(session)
        memory.connected(relay.count)
        do throws(SystemError) {
            try kernel.watch(arrival.descriptor, for: .edges, as: token)
            runSteps(slot.index, session)
        } catch {
            log.failed(error)
            close(slot.index, .clientReset)
        }
    }

    /// Returns the next request identifier. Golden-ratio steps make identifiers unique and easy to tell apart in a log.
    private func nextIdentity() -> UInt64 {
        lastIdentity &+= 0x9e37_79b9_7f4a_7c15
        return lastIdentity
    }

    /// Frees descriptors: closes idle upstreams first, then idle client connections (RFC 9112, 9.5). Returns false if
    /// the error has another cause or nothing is idle.
    func freeDescriptors(after code: Errno) -> Bool {
        guard code == .tooManyFiles || code == .tooManyFilesInSystem else { return false }
        guard upstreams.idleCount == 0 else {
            upstreams.closeIdle { _ in true }
            return true
        }
        let idle = sessions.all.filter { $0.machine.isBetweenRequests }.prefix(Limits.idleLinksClosedForRoom)
        let chosen = idle.map(\.token.index)
        for index in chosen { close(index, .idle) }
        return !chosen.isEmpty
    }

    /// The PROXY header has named the client.
    private func admitAnnounced(_ session: HTTPSession) {
        if listeners.countAnnounced(session) { session.machine.admittedToListener() } else { session.machine.reject() }
    }

    // MARK: Steps

    /// Performs the steps of the session until it has to wait.
    func runSteps(_ index: Int, _ session: HTTPSession) {
        guard session.mayRun(in: reactor.turn) else { return reactor.resumeLater(session.token) }
        var deadline: Instant?
        for number in 0..<Limits.stepsPerTurn {
            if number >= Limits.stepsBeforeClock, number % 4 == 0 {
                let now = kernel.now()
                if let deadline, now >= deadline { break }
                deadline = deadline ?? now + Limits.conversationTimePerTurn
            }
            let (step, hasLocalReply) = session.next()
            if hasLocalReply { log.localReply(of: session) }
            if step == .rest { return armDeadline(of: session) }
            guard perform(step, index, session) else { return }
        }
        log.localReply(of: session)
        armDeadline(of: session)
        reactor.resumeLater(session.token)
    }

    /// Performs one step. Returns false if the session is over.
    private func perform(_ step: ExchangeMachine.Step, _ index: Int, _ session: HTTPSession) -> Bool {
        switch step {
        case .rest: break
        case .admit: admitAnnounced(session)
        case .terminate(let termination): close(index, termination)
        case .openTunnel: openTunnel(index, session)
        case .enterGate(let id): enterGate(of: id, session)
        case .reject(let id): refuse(session, by: id, .disabled, retryAfter: nil)
        case .connect(let id): upstreams.connect(session, to: id) { freeDescriptors(after: $0) }
        case .serve(.cable(let id)):
            guard let transfer = cables.open(id, session, isDraining: isDraining) else { break }
            move(session, transfer)
            return false
        case .serve(let endpoint): endpoints.serve(endpoint, session, isDraining: isDraining)
        case .receive(.client): receiveFromClient(session)
        case .receive(.upstream): upstreams.receive(session)
        case .send(.client): sendToClient(session)
        case .send(.upstream): upstreams.send(session)
        case .releaseUpstream: upstreams.release(session)
        case .keepUpstream: if isDraining { upstreams.release(session) } else { upstreams.keep(session) }
        case .endSendingToClient:
            kernel.endSending(on: session.client.descriptor)
            session.machine.endedSendingToClient()
        }
        switch step {
        case .terminate, .openTunnel: return false
        case .admit, .enterGate, .reject, .connect, .serve, .receive, .send, .releaseUpstream, .keepUpstream,
            .endSendingToClient, .rest:
            return true
        }
    }

    private func receiveFromClient(_ session: HTTPSession) {
        switch session.receiveFromClient(into: &relay.readBuffer, through: kernel) {
        case .bytes(let count): session.machine.receivedFromClient(relay.readBuffer[..<count])
        case .wouldBlock: break
        case .ended: session.machine.clientEnded()
        case .failed: session.machine.clientFailed()
        }
    }

    private func sendToClient(_ session: HTTPSession) {
        guard let sent = session.sendToClient(session.machine.toClient, through: kernel) else {
            return session.machine.clientFailed()
        }
        if sent > 0 { session.machine.sentToClient(sent) }
    }

    // MARK: Deadlines

    /// One timer per session, armed for the current phase.
    private func armDeadline(of session: HTTPSession) {
        switch session.updateDeadline() {
        case .none: break
        case .arm(let limit): reactor.arm(.connection(session.token), at: kernel.now() + limit)
        case .disarm: reactor.disarm(.connection(session.token))
        }
    }

    func deadlineFired(_ token: Token) {
        guard let session = sessions.named(token), let armed = session.takeArmedDeadline() else { return }
        let undelivered =
            armed.deadline == .departure ? kernel.undeliveredBytes(to: session.client.descriptor) : 0
        session.machine.deadlineFired(armed.deadline, undelivered: undelivered)
        runSteps(token.index, session)
    }

    // MARK: The gate

    private func enterGate(of id: BackendID, _ session: HTTPSession) {
        switch services.enterGate(of: id) {
        case .open(let generation): admit(session, to: id, generation)
        case .full(let limit):
            refuse(session, by: id, .tooManyConnections(limit: limit), retryAfter: Refusal.connectionLimitRetry)
        case .closed:
            log.queued(session, at: id)
            queue.enqueue(session, for: id)
        }
    }

    /// The request has a lease.
    func admit(_ session: HTTPSession, to id: BackendID, _ generation: Generation) {
        session.lease = .init(backend: id, generation: generation)
        session.machine.admitted()
        if services.admitted(to: id, generation) { log.firstRequest(session, of: id, generation) }
    }

    func refuse(_ session: HTTPSession, by id: BackendID, _ refusal: Refusal, retryAfter: Duration?) {
        session.machine.refused(refusal, retryAfter: retryAfter)
        log.refused(refusal, by: id, session)
    }

    // MARK: The end of a session

    /// Ends a connection that speaks HTTP. This is the only place where its sockets, lease, ticket and timer are
    /// released.
    func close(_ index: Int, _ termination: TerminationReason) {
        guard let session = sessions[index] else { preconditionFailure("a session was closed twice") }
        end(session)
        queue.withdraw(session)
        endpoints.connectionClosed(session.token)
        log.aborted(session, termination)
        if termination.isAbrupt {
            kernel.reset(session.client.descriptor)
        } else {
            kernel.close(session.client.descriptor)
        }
        upstreams.close(session)
        listeners.release(session.admission)
        if let lease = session.lease { services.endUse(of: lease, wasUncounted: false) }
        trimMemoryWhenEmpty()
    }

    /// The connection ends, or becomes a cable session.
    private func end(_ session: HTTPSession) {
        leaveHTTP(session)
        relay.freeSlot(session.token.index)
    }

    private func leaveHTTP(_ session: HTTPSession) {
        reactor.disarm(.connection(session.token))
        sessions.remove(session)
    }

    /// Trims memory after the last connection.
    func trimMemoryWhenEmpty() {
        guard relay.count == 0 else { return }
        relay.trimBuffers()
        guard workers.connectionCount == 0 else { return }
        if memory.lastConnectionEnded() { sessions.trim() }
    }

    // MARK: Tunnels and sessions of cables

    private func openTunnel(_ index: Int, _ session: HTTPSession) {
        let opening = session.machine.tunnelOpening
        if opening?.switchesToActionCable == true, let transfer = cables.openAccepted(session) {
            return move(session, transfer)
        }
        let bytes = session.machine.takeTunnelBytes()
        if let id = session.machine.request?.service { log.tunnelOpened(session, to: id) }
        guard let lease = session.lease, let upstream = session.upstream else {
            preconditionFailure("a tunnel without a backend")
        }
        leaveHTTP(session)
        // A backend that is idle without client data gets the lease back: then only data keeps it awake.
        let isUncounted = services.countsOnlyData(of: lease.backend)
        let connection = TunnelRelay<K>.Opening(
            token: session.token, client: session.client, upstream: upstream, lease: lease,
            admission: session.admission,
            announcedClient: session.machine.request?.parsed.announcedClient, isUncounted: isUncounted,
            backendIsGone: session.hasGenerationEnded)
        relay.open(connection, bytes, extensionsNegotiated: opening?.extensionsNegotiated ?? false)
        if isUncounted { services.becameUncounted(lease) }
        memory.connectionChanged()
        // A tunnel that opens after the close frames were sent gets its own.
        if let code = isDraining ? .goingAway : services.closeCode(for: lease) {
            relay.closeTunnel(index, code)
        } else if workers.handOver(index, of: relay) {
            memory.connected(workers.connectionCount)
        } else {
            relay.relay(index)
        }
    }

    /// The connection becomes a cable session.
    private func move(_ session: HTTPSession, _ transfer: CableSessionTransfer) {
        end(session)
        kernel.unwatch(session.client.descriptor)
        memory.connectionChanged()
        mailboxes.post(.open(transfer))
    }

    // MARK: The end of many sessions

    /// Handles the end of a backend's generation. Its sockets have reported their end, or another process still holds
    /// them.
    func generationEnded(_ lease: Lease) {
        upstreams.closeIdle { $0 == lease }
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
    }

    /// Closes idle connections and rejects queued requests. Requests in progress finish.
    func drain() {
        isDraining = true
        upstreams.closeIdle { _ in true }
        for index in sessions.indices { if let session = sessions[index] { drain(session, at: index) } }
    }

    private func drain(_ session: HTTPSession, at index: Int) {
        switch session.machine.drain() {
        // A run that is followed ends before the daemon does.
        case .close: if !endpoints.followsRun(session) { close(index, .shuttingDown) }
        case .reject(let id):
            queue.withdraw(session)
            refuse(session, by: id, .shuttingDown, retryAfter: Refusal.shutdownRetry)
            runSteps(index, session)
        case .abandonRequest:
            queue.withdraw(session)
            endpoints.respond(LocalReply(status: 503, body: "ondemandd is shutting down."), session)
            runSteps(index, session)
        case .finish: break
        }
    }

    /// Closes the sessions that use this service, except those of one generation.
    func close(_ id: BackendID, sparing generation: Generation?) {
        for index in sessions.indices {
            guard let lease = sessions[index]?.lease, lease.backend == id, lease.generation != generation else {
                continue
            }
            close(index, .shuttingDown)
        }
    }

    func closeEverything() {
        for index in sessions.indices { close(index, .shuttingDown) }
    }
}
