/// The driver of client connections: performs the steps of `ExchangeMachine` and owns the sockets.
///
/// - Events: `ready` for a socket, `deadlineFired` for a timer, `handle` for a reply of the supervisor or a cable
///   server.
/// - `runSteps` performs the steps of an HTTP session until the machine rests or `Limits.stepsPerTurn` is reached.
/// - `relay` moves the bytes of an open tunnel. A worker may take the tunnel over.
/// - Admission: `gate.enter()` grants a lease, or a ticket is queued and `BackendRequest.wanted` goes to the
///   supervisor.
///
/// Invariants: every lease, ticket, timer and descriptor of a connection is released in `close`. The proxy knows gates
/// and tickets, never processes.
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
    var table: ConnectionTable
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
    /// Client addresses of tunnels from PROXY headers, by connection index.
    var announcedClients: [String?] = []
    /// The last upstream number, for tokens.
    var lastUpstreamNumber: UInt32 = 0
    /// Worker threads that relay tunnels.
    var workers: [WorkerHandle] = []
    /// Events from the workers. nil: no workers.
    let reports: ThreadSafeQueue<WorkerEvent>?
    /// Set on the proxy of a worker. nil: the main proxy.
    let reporting: WorkerContext?

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
        /// Budget of log lines about connections that the daemon closes.
        var aborts = LineBudget()

        /// Address of the current generation. Inlined because a call would copy the whole value.
        @inline(__always)
        var currentAddress: SocketAddress { gate.port == 0 ? address : address.with(port: gate.port) }
    }

    init(
        upstreams: [Upstream], reactor: Reactor<K>, log: Log, requests: Mailbox<BackendRequest>,
        cableRequests: Mailbox<CableRequest> = Mailbox(), commandRequests: Mailbox<CommandRequest> = Mailbox(),
        status: any StatusSource, controlSource: any ControlSource,
        reports: ThreadSafeQueue<WorkerEvent>? = nil,
        reporting: WorkerContext? = nil
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
        self.reporting = reporting
        lastIdentity = reactor.kernel.random()
        table = ConnectionTable(traffic: Array(repeating: Traffic(), count: upstreams.count))
        admissions = Array(repeating: AdmissionCounters(), count: upstreams.count)
        connectionHistories = Array(repeating: ConnectionHistory(), count: upstreams.count)
    }

    // MARK: Events

    /// Handles consecutive connection events. Returns the position of the first other event.
    func relayRun(from first: Int, of count: Int) -> Int {
        var position = first
        while let (token, outcome) = table.relayRun(&position, of: count, through: kernel) { follow(outcome, token) }
        return position
    }

    /// Handles an event of a connection's socket.
    func ready(_ token: Token, _ readiness: Readiness) {
        follow(table.take(readiness, for: token, through: kernel), token)
    }

    private func follow(_ outcome: Connection.EventOutcome, _ token: Token) {
        switch outcome {
        case .stale: break
        case .relayed(let outcome): ended(outcome, of: token.index)
        case .http:
            if ConnectionToken(token) == .upstream { finishConnecting(token.index) }
            runSteps(token.index)
        }
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
        switch ConnectionTimer(key) {
        case .deadline: deadlineFired(key.client)
        case .rateLimiter: rateLimitTimerFired(key.client)
        }
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

    func drive(_ index: Int) {
        if table.session(of: index) == nil { relay(index) } else { runSteps(index) }
    }

    /// Performs the steps of the session until it has to wait.
    private func runSteps(_ index: Int) {
        guard let session = table.session(of: index) else { return }
        guard session.mayRun(in: reactor.turn) else { return reactor.resumeLater(clientToken(index)) }
        var deadline: Instant?
        for number in 0..<Limits.stepsPerTurn {
            if number >= Limits.stepsBeforeClock, number % 4 == 0 {
                let now = kernel.now()
                if let deadline, now >= deadline { break }
                deadline = deadline ?? now + Limits.conversationTimePerTurn
            }
            let readiness = table.readiness(of: index)
            let (step, hasLocalReply) = session.next(client: readiness.client, upstream: readiness.upstream)
            if hasLocalReply { logLocalReply(of: session) }
            if step == .rest { return armDeadline(of: index, session, client: readiness.client) }
            guard perform(step, index, session) else { return }
        }
        logLocalReply(of: session)
        armDeadline(of: index, session, client: table.readiness(of: index).client)
        reactor.resumeLater(clientToken(index))
    }

    /// Performs one step. Returns false if the session is over.
    private func perform(_ step: ExchangeMachine.Step, _ index: Int, _ session: Connection.HTTPSession) -> Bool {
        switch step {
        case .rest: break
        case .admit: admitAnnounced(index, session)
        case .terminate(let termination): close(index, termination)
        case .openTunnel: openTunnel(index, session)
        case .enterGate(let id): enterGate(of: id, index, session)
        case .reject(let id): reject(from: id, session)
        case .connect(let id): connect(to: id, index, session)
        case .serve(let endpoint): return serve(endpoint, index, session)
        case .receive(.client): receiveFromClient(index, session)
        case .receive(.upstream): receiveFromUpstream(index, session)
        case .send(.client): sendToClient(index, session)
        case .send(.upstream): sendToUpstream(index, session)
        case .releaseUpstream: releaseUpstream(index, session)
        case .keepUpstream: keepUpstream(index, session)
        case .endSendingToClient:
            kernel.endSending(on: connections[index].client.descriptor)
            session.machine.endedSendingToClient()
        }
        switch step {
        case .terminate, .openTunnel: return false
        case .admit, .enterGate, .reject, .connect, .serve, .receive, .send, .releaseUpstream, .keepUpstream,
            .endSendingToClient, .rest:
            return true
        }
    }

    func clientToken(_ index: Int) -> Token {
        Token(ConnectionToken.client, index: index, generation: peek(at: index) { $0.generation })
    }

    /// Reads one member of a connection. Access through `connections` may copy the whole value.
    @inline(__always)
    private func peek<Result>(at index: Int, for member: (Connection) -> Result) -> Result {
        table.connections.peek(at: index, for: member)
    }

    // MARK: End of a connection

    /// Ends a connection. This is the only place where its sockets, lease, ticket and timer are released.
    func close(_ index: Int, _ termination: TerminationReason) {
        let token = clientToken(index)
        let connection = connections.remove(index: index)
        reactor.disarm(.connection(token))
        if connection.lease != nil, connection.upstream == nil { reactor.disarm(.connectRetry(token)) }
        if let session = connection.session {
            abandonTicket(of: session)
            forgetIdleUpstream(of: session)
            statusSubscribers.removeAll { $0 == token }
            logSubscribers.removeAll { $0.token == token }
            if runFollowers.remove(token) != nil { post(.followerLeft(requester: token)) }
            noteAbort(of: session, termination)
        } else if let lease = connection.lease {
            noteAbort(of: connection, at: index, lease, termination)
            log.record(.tunnelClosed, [service(lease.backend), LogField("reason", termination.rawValue)])
        }
        noteAnnounced(nil, of: index)
        if termination.isAbrupt {
            kernel.reset(connection.client.descriptor)
        } else {
            kernel.close(connection.client.descriptor)
        }
        if let upstream = connection.upstream { kernel.close(upstream.descriptor) }
        releaseAdmission(connection.admission)
        if connection.rateLimiter != nil { reactor.disarm(.rateLimiter(token)) }
        if let lease = connection.lease { endUse(of: lease, wasUncounted: connection.isUncounted) }
        trimMemoryWhenEmpty()
    }

    /// Trims memory after the last connection of many has ended. The trim is delayed until the end is reported
    /// everywhere, because reporting needs memory again.
    func trimMemoryWhenEmpty() {
        guard table.connections.count == 0 else { return }
        table.buffers.trim()
        guard hadManyConnections || hasServedStatus, workerConnectionCount == 0 else { return }
        if hadManyConnections, reporting == nil {
            reactor.arm(.memoryTrim, at: kernel.now() + Limits.memoryTrimPause)
        } else {
            kernel.trimMemory()
        }
        (hadManyConnections, hasServedStatus) = (false, false)
    }

    // MARK: Tunnels

    private func openTunnel(_ index: Int, _ session: Connection.HTTPSession) {
        reactor.disarm(.connection(clientToken(index)))
        let opening = session.machine.tunnelOpening
        if opening?.switchesToActionCable == true, openSession(index, session) { return }
        let bytes = session.machine.takeTunnelBytes()
        if let id = session.machine.request?.service {
            log.record(.tunnelOpened, [service(id)] + about(session))
        }
        guard let lease = peek(at: index, for: { $0.lease }) else { preconditionFailure("a tunnel without a lease") }
        let service = lease.backend.index
        table.openTunnel(
            of: index, bytes, extensionsNegotiated: opening?.extensionsNegotiated ?? false, to: service,
            limits: upstreams[service].limits)
        noteAnnounced(session.machine.request?.parsed.announcedClient, of: index)
        stopCounting(index, lease)
        scheduleMemoryTrim()
        // A tunnel that opens after the close frames were sent gets its own.
        if isDraining {
            closeTunnels(of: index, .goingAway)
        } else if let closing = upstreams[service].closing, closing.generation == lease.generation {
            closeTunnels(of: index, closing.code)
        } else if !handOver(index) {
            relay(index)
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

    func relay(_ index: Int) {
        ended(table.relayOnce(of: index, through: kernel), of: index)
    }

    private func ended(_ outcome: Connection.RelayOutcome, of index: Int) {
        if outcome.sawClientData { recordClientData(index) }
        if outcome.needsAttention { attend(to: index, after: outcome) }
        if outcome.sentClose { releaseBackend(of: index) }
        switch outcome.progress {
        case .rest: break
        case .more: reactor.resumeLater(clientToken(index))
        case .over(let termination): close(index, termination)
        }
    }
}
