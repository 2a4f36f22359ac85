/// The driver of client connections: performs the steps of `ExchangeMachine` and owns the sockets.
///
/// - Events: `ready` for a socket, `deadlineFired` for a timer, `handle` for a reply of the supervisor or a cable
///   server.
/// - `runSteps` performs the steps of an HTTP session until the machine rests or `Limits.stepsPerTurn` is reached.
/// - An open tunnel moves to the `TunnelRelay` of this thread or of a worker, a client of a cable to the cable server.
/// - Admission: `gate.enter()` grants a lease, or a ticket is queued and `BackendRequest.wanted` goes to the
///   supervisor.
///
/// Invariants: every lease, ticket, timer and descriptor of a session is released in `close`. The proxy knows gates and
/// tickets, never processes.
final class Proxy<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let requests: Mailbox<BackendRequest>
    let cableRequests: Mailbox<CableRequest>
    let commandRequests: Mailbox<CommandRequest>
    /// Clients of each cable, by the index of its `CableID`.
    var sessionCounts: [Int] = []
    /// By the index of the `CableID`; for cables with a limit of connections.
    var askingClients: [AskingClients] = []

    /// Clients that a cable's backend was asked to accept. Some have their answer by now.
    struct AskingClients {
        var tokens: Set<Token> = []
        /// Those with an answer are forgotten at this count, so that looking for them costs little for each client.
        var nextLook = 64
    }

    var upstreams: [Upstream]
    unowned let status: any StatusSource
    unowned let controlSource: any ControlSource
    /// By the index of their tokens. nil: closed.
    var listeners: [Listener?] = []
    let relay: TunnelRelay<K>
    private(set) var sessions = HTTPSessionTable()
    /// Admission results, by service index.
    var admissions: [AdmissionCounters]
    /// Connection counts over time, by service index.
    var connectionHistories: [ConnectionHistory]
    /// Local replies to clients, by status in order of first use.
    var localReplies: [(status: Int, count: Int)] = []
    /// Limits log lines about wrong tokens.
    var unauthorizedLog = LogThrottle()
    /// Connections per client prefix. Empty without a limit per address.
    var clientPrefixes: [ClientPrefix: ConnectionLimiter] = [:]
    /// Upstreams without a request.
    var idleUpstreams = 0
    /// Open connections that only get a rejection.
    var rejected = 0
    /// Connections rejected since the daemon started.
    var rejectedTotal = 0
    var lastListenerNumber: UInt32 = 0
    /// The last request identifier. Starts at random, so that two runs of the daemon do not share identifiers.
    var lastIdentity: UInt64
    /// The connection count reached `Limits.manyConnections`: memory is trimmed when it returns to zero.
    var hadManyConnections = false
    /// A status page or table was rendered: memory is trimmed, because a sleeping daemon does not need that code.
    var hasServedStatus = false
    /// Tunnels opened, and clients of cables that have come or left, since the last scheduled trim.
    private var changesSinceTrim = 0
    /// Status event streams in order of arrival.
    var statusSubscribers: [Token] = []
    var statusIsDirty = false
    /// Log streams.
    var logSubscribers: [LogSubscriber] = []
    /// Operators who follow the output of a run.
    var runFollowers: Set<Token> = []
    /// Shutdown has begun. Connections close after their current request.
    var isDraining = false
    var queued: [Ticket: Token] = [:]
    var lastTicket: UInt64 = 0
    /// The last upstream number, for tokens.
    var lastUpstreamNumber: UInt32 = 0
    /// Worker threads that relay tunnels.
    var workers: [WorkerHandle] = []
    /// Events from the workers. nil: no workers.
    let reports: ThreadSafeQueue<WorkerEvent>?

    var kernel: K { reactor.kernel }

    /// A service as the proxy sees it, by the index of its `BackendID`.
    struct Upstream {
        let name: String
        var address: SocketAddress
        let gate: BackendGate
        var idleWhen = IdleWhen.noConnections
        var limits = ServiceLimits()
        /// Queued requests.
        var queued = 0
        /// Address and idle rule of later generations. nil: unchanged.
        var next: Move?
        /// Generation of an unmanaged service: counts how often it was enabled.
        var unmanagedGeneration = Generation(number: 0)
        /// The generation whose first request is logged. nil: none.
        var firstRequestSeen: Generation?
        /// The generation that has sent a response. nil: none.
        var proven: Generation?
        /// Tunnels that do not keep the current generation awake.
        var uncounted = 0
        /// Tunnels on workers, of any generation.
        var onWorkers = 0
        /// The generation whose tunnels are closing, and the close code. It admits no new requests. nil: none.
        var closing: (generation: Generation, code: CloseCode)?

        /// Address of the current generation. Inlined because a call would copy the whole value.
        @inline(__always)
        var currentAddress: SocketAddress { gate.port == 0 ? address : address.with(port: gate.port) }
    }

    init(
        upstreams: [Upstream], reactor: Reactor<K>, log: Log, requests: Mailbox<BackendRequest>,
        cableRequests: Mailbox<CableRequest> = Mailbox(), commandRequests: Mailbox<CommandRequest> = Mailbox(),
        status: any StatusSource, controlSource: any ControlSource,
        reports: ThreadSafeQueue<WorkerEvent>? = nil
    ) {
        self.upstreams = upstreams
        self.reactor = reactor
        self.log = log
        self.requests = requests
        self.cableRequests = cableRequests
        self.commandRequests = commandRequests
        self.status = status
        self.controlSource = controlSource
        self.reports = reports
        lastIdentity = reactor.kernel.random()
        relay = TunnelRelay(services: upstreams.map(\.ofTunnels), reactor: reactor, log: log)
        admissions = Array(repeating: AdmissionCounters(), count: upstreams.count)
        connectionHistories = Array(repeating: ConnectionHistory(), count: upstreams.count)
        relay.owner = TunnelOwner(
            leaseEnded: { [unowned self] in endUse(of: $0, wasUncounted: $1) },
            tunnelClosed: { [unowned self] in releaseAdmission($0) },
            lastSlotFreed: { [unowned self] in trimMemoryWhenEmpty() })
    }

    // MARK: Events

    /// Handles consecutive connection events. Returns the position of the first other event.
    func relayRun(from first: Int, of count: Int) -> Int {
        var position = first
        while let event = relay.relayRun(&position, of: count) { sessionReady(event.token, event.readiness) }
        return position
    }

    /// Handles an event of a connection's socket.
    func ready(_ token: Token, _ readiness: Readiness) {
        if !relay.ready(token, readiness) { sessionReady(token, readiness) }
    }

    private func sessionReady(_ token: Token, _ readiness: Readiness) {
        guard let session = sessions[token.index], session.learn(readiness, for: token) else { return }
        if ConnectionToken(token) == .upstream { finishConnecting(session) }
        runSteps(token.index, session)
    }

    /// Handles an event of one of the proxy's other sockets.
    func ownReady(_ token: Token) {
        switch ProxyToken(token) {
        case .listener: acceptAll(from: token.index)
        case .workerEvents: handleWorkerEvents()
        }
    }

    /// Handles a timer of a connection.
    func connectionTimerFired(_ key: TimerKey) {
        if !relay.timerFired(key) { deadlineFired(key.client) }
    }

    func timerFired(_ key: TimerKey) {
        switch ProxyTimer(key) {
        case .acceptPause: resumeAccepting(key.index)
        case .connectRetry: retryConnect(key.client)
        case .unmanagedDrain: unmanagedDrainTimedOut(BackendID(index: key.index))
        case .status: refreshStatus()
        case .memoryTrim: kernel.trimMemory()
        }
    }

    // MARK: Sessions

    /// nil: the session has ended.
    func session(named token: Token) -> HTTPSession? {
        guard let session = sessions[token.index], session.token == token else { return nil }
        return session
    }

    func begin(_ session: HTTPSession) { sessions.insert(session) }

    /// The connection ends, or becomes a tunnel or a session of a cable.
    func end(_ session: HTTPSession) {
        reactor.disarm(.connection(session.token))
        sessions.remove(session)
    }

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
            if hasLocalReply { logLocalReply(of: session) }
            if step == .rest { return armDeadline(of: session) }
            guard perform(step, index, session) else { return }
        }
        logLocalReply(of: session)
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
        case .reject(let id): reject(from: id, session)
        case .connect(let id): connect(to: id, session)
        case .serve(let endpoint): return serve(endpoint, index, session)
        case .receive(.client): receiveFromClient(session)
        case .receive(.upstream): receiveFromUpstream(session)
        case .send(.client): sendToClient(session)
        case .send(.upstream): sendToUpstream(session)
        case .releaseUpstream: releaseUpstream(session)
        case .keepUpstream: keepUpstream(session)
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

    // MARK: End of a session

    /// Ends a connection that speaks HTTP. This is the only place where its sockets, lease, ticket and timer are
    /// released.
    func close(_ index: Int, _ termination: TerminationReason) {
        guard let session = sessions[index] else { preconditionFailure("a session was closed twice") }
        end(session)
        relay.freeSlot(index)
        if session.lease != nil, session.upstream == nil { reactor.disarm(.connectRetry(session.token)) }
        abandonTicket(of: session)
        forgetIdleUpstream(of: session)
        statusSubscribers.removeAll { $0 == session.token }
        logSubscribers.removeAll { $0.token == session.token }
        if runFollowers.remove(session.token) != nil { post(.followerLeft(requester: session.token)) }
        noteAbort(of: session, termination)
        if termination.isAbrupt {
            kernel.reset(session.client.descriptor)
        } else {
            kernel.close(session.client.descriptor)
        }
        if let upstream = session.upstream { kernel.close(upstream.descriptor) }
        releaseAdmission(session.admission)
        if let lease = session.lease { endUse(of: lease, wasUncounted: false) }
        trimMemoryWhenEmpty()
    }

    /// Trims memory after the last connection of many has ended. The trim is delayed until the end is reported
    /// everywhere, because reporting needs memory again.
    func trimMemoryWhenEmpty() {
        guard relay.count == 0 else { return }
        relay.trimBuffers()
        guard hadManyConnections || hasServedStatus, workerConnectionCount == 0 else { return }
        if hadManyConnections {
            sessions.trim()
            reactor.arm(.memoryTrim, at: kernel.now() + Limits.memoryTrimPause)
        } else {
            kernel.trimMemory()
        }
        (hadManyConnections, hasServedStatus) = (false, false)
    }

    // MARK: Tunnels

    private func openTunnel(_ index: Int, _ session: HTTPSession) {
        let opening = session.machine.tunnelOpening
        if opening?.switchesToActionCable == true, openCableSession(index, session) { return }
        let bytes = session.machine.takeTunnelBytes()
        if let id = session.machine.request?.service {
            log.record(.tunnelOpened, [service(id)] + about(session))
        }
        guard let lease = session.lease, let upstream = session.upstream else {
            preconditionFailure("a tunnel without a backend")
        }
        end(session)
        let service = lease.backend.index
        // A backend that is idle without client data gets the lease back: then only data keeps it awake.
        let isUncounted = upstreams[service].idleWhen == .noClientData
        let connection = TunnelRelay<K>.Opening(
            token: session.token, client: session.client, upstream: upstream, lease: lease,
            admission: session.admission,
            announcedClient: session.machine.request?.parsed.announcedClient, isUncounted: isUncounted,
            backendIsGone: session.hasGenerationEnded)
        relay.open(connection, bytes, extensionsNegotiated: opening?.extensionsNegotiated ?? false)
        if isUncounted {
            upstreams[service].uncounted += 1
            returnLease(lease)
        }
        scheduleMemoryTrim()
        // A tunnel that opens after the close frames were sent gets its own.
        if isDraining {
            relay.closeTunnel(index, .goingAway)
        } else if let closing = upstreams[service].closing, closing.generation == lease.generation {
            relay.closeTunnel(index, closing.code)
        } else if !handOver(index) {
            relay.relay(index)
        }
    }

    /// Schedules a memory trim after many new tunnels, and after many clients of cables have come or left. An open one
    /// does not need the pages that opening it used.
    func scheduleMemoryTrim() {
        changesSinceTrim += 1
        guard changesSinceTrim >= Limits.manyConnections else { return }
        changesSinceTrim = 0
        reactor.arm(.memoryTrim, at: kernel.now() + Limits.memoryTrimPause)
    }
}

extension Proxy {
    var buffers: [UInt8] {
        _read { yield relay.table.buffers.ordinary }
        _modify { yield &relay.table.buffers.ordinary }
    }
}
