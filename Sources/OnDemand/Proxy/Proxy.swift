/// The driver of the conversations: performs their steps and owns the sockets of clients and backends.
///
/// It knows gates and tickets, never processes.
final class Proxy<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let requests: Mailbox<BackendRequest>
    var upstreams: [Upstream]
    unowned let status: any StatusSource
    unowned let controlled: any ControlSource
    /// By the index of their tokens; nil where one was closed.
    var listeners: [Listener?] = []
    var board: Switchboard
    /// What became of those who came to its gate, by the index of the service.
    var arrivals: [Arrivals]
    /// How many were connected when, likewise.
    var connectionDays: [ConnectionDay]
    /// Answers of our own to clients, by status, in the order in which they were first given.
    var errorAnswers: [(status: Int, count: Int)] = []
    /// Of requests with a wrong token.
    private var unauthorizedLog = LogThrottle()
    /// How many connections each address has, where that is limited.
    var sites: [ClientSite: Crowd] = [:]
    /// Connections to backends without a request.
    var spares = 0
    /// Connections that are only told that there are too many.
    var turnedAway = 0
    /// All that there were too many of, since the daemon began.
    var turnedAwayInAll = 0
    var lastListenerNumber: UInt32 = 0
    /// Of client connections: begins anywhere, so that two lives of the daemon name none alike.
    var lastIdentity: UInt64
    /// There were so many links at once that what they leave behind is worth giving back.
    var hadCrowd = false
    /// The same for having made a page or a table of itself: that runs through code which sleeping does not need.
    var hasToldOfItself = false
    /// Tunnels opened since what opening them needed was last to be given back.
    private var newTunnels = 0
    /// Those who watch the status, in the order they came.
    var watchers: [Token] = []
    var statusIsDirty = false
    /// Those who follow what a backend prints.
    var followers: [Follower] = []
    /// The daemon is leaving: nobody is to stay longer than its request takes.
    var isDraining = false
    private var waiting: [Ticket: Token] = [:]
    private var lastTicket: UInt64 = 0
    /// Addresses of tunnels' clients that a proxy has announced, by the index of their links.
    var announcedClients: [String?] = []
    /// Of connections to backends, for their tokens.
    var lastUpstreamNumber: UInt32 = 0
    /// Who carries tunnels on other threads.
    var carriers: [CarrierSeat] = []
    /// What those tell; nil where there are none.
    let reports: Letterbox<CarrierReport>?
    /// Set where this proxy is a carrier's own.
    let reporting: Reporting?

    var kernel: K { reactor.kernel }

    /// Where a service's requests go, by the index of its `BackendID`.
    struct Upstream {
        let name: String
        var address: SocketAddress
        let gate: BackendGate
        var idleWhen = IdleWhen.noConnections
        var limits = ServiceLimits()
        /// Clients that wait for it.
        var held = 0
        /// Where the generations after the current one will be.
        var next: Move?
        /// Of what runs outside: counts how often it was switched on.
        var plainGeneration = Generation(number: 0)
        /// The generation whose first client has been seen.
        var greeted: Generation?
        /// The generation that has answered something.
        var proven: Generation?
        /// Tunnels that do not keep the current generation awake.
        var dormant = 0
        /// Tunnels that others carry, of whichever generation.
        var carried = 0
        /// The generation whose clients are asked to go, and with which code; nobody is added to it.
        var leaving: (generation: Generation, code: CloseCode)?
        /// Log lines about connections that the daemon closes itself.
        var aborts = LineBudget()

        /// Where the generation that is entered listens. Written in its place: for a call all of this would be copied.
        @inline(__always)
        var currentAddress: SocketAddress { gate.port == 0 ? address : address.with(port: gate.port) }
    }

    init(
        upstreams: [Upstream], reactor: Reactor<K>, log: Log, requests: Mailbox<BackendRequest>,
        status: any StatusSource, controlled: any ControlSource, reports: Letterbox<CarrierReport>? = nil,
        reporting: Reporting? = nil
    ) {
        self.upstreams = upstreams
        self.reactor = reactor
        self.log = log
        self.requests = requests
        self.status = status
        self.controlled = controlled
        self.reports = reports
        self.reporting = reporting
        lastIdentity = reactor.kernel.random()
        board = Switchboard(traffic: Array(repeating: Traffic(), count: upstreams.count))
        arrivals = Array(repeating: Arrivals(), count: upstreams.count)
        connectionDays = Array(repeating: ConnectionDay(), count: upstreams.count)
    }

    // MARK: Events

    /// Deals with events of connections in a row; the position of the first that is not one.
    func carry(from first: Int, of count: Int) -> Int {
        var position = first
        while let (token, news) = board.carry(&position, of: count, through: kernel) { follow(news, token) }
        return position
    }

    func ready(_ token: Token, _ readiness: Readiness) {
        follow(board.take(readiness, for: token, through: kernel), token)
    }

    private func follow(_ news: Link.News, _ token: Token) {
        switch news {
        case .stale: break
        case .relayed(let turn): ended(turn, of: token.index)
        case .conversing:
            if token.role == .upstream { finishConnecting(token.index) }
            converse(token.index)
        }
    }

    func drive(_ index: Int) {
        if board.conversation(of: index) == nil { relay(index) } else { converse(index) }
    }

    /// The conversation's steps, until it has to wait.
    private func converse(_ index: Int) {
        guard let conversation = board.conversation(of: index) else { return }
        var deadline: Instant?
        for number in 0..<Limits.stepsPerTurn {
            if number >= Limits.stepsBeforeClock, number % 4 == 0 {
                let now = kernel.now()
                if let deadline, now >= deadline { break }
                deadline = deadline ?? now + Limits.conversationTimePerTurn
            }
            let readiness = board.readiness(of: index)
            let (step, hasComplaint) = conversation.next(client: readiness.client, upstream: readiness.upstream)
            if hasComplaint { noteComplaint(of: conversation) }
            if step == .rest { return armDeadline(of: index, conversation, client: readiness.client) }
            guard perform(step, index, conversation) else { return }
        }
        noteComplaint(of: conversation)
        armDeadline(of: index, conversation, client: board.readiness(of: index).client)
        reactor.resumeLater(clientToken(index))
    }

    /// False when the conversation is over.
    private func perform(_ step: ExchangeMachine.Step, _ index: Int, _ conversation: Link.Conversation) -> Bool {
        switch step {
        case .rest: break
        case .welcome: welcomeAnnounced(index, conversation)
        case .hangUp(let hangup): close(index, hangup)
        case .openTunnel: openTunnel(index, conversation)
        case .enterGate(let id): enterGate(of: id, index, conversation)
        case .turnAway(let id): turnAway(from: id, conversation)
        case .connect(let id): connect(to: id, index, conversation)
        case .serve(let resource): serve(resource, index, conversation)
        case .control: control(index, conversation)
        case .receive(.client): receiveFromClient(index, conversation)
        case .receive(.upstream): receiveFromUpstream(index, conversation)
        case .send(.client): sendToClient(index, conversation)
        case .send(.upstream): sendToUpstream(index, conversation)
        case .releaseUpstream: releaseUpstream(index, conversation)
        case .keepUpstream: keepUpstream(index, conversation)
        case .endSendingToClient:
            kernel.endSending(on: links[index].client.descriptor)
            conversation.machine.endedSendingToClient()
        }
        switch step {
        case .hangUp, .openTunnel: return false
        default: return true
        }
    }

    func clientToken(_ index: Int) -> Token {
        Token(.client, index: index, generation: look(at: index) { $0.generation })
    }

    /// One thing about a link: asked through `links`, the whole of it may be copied.
    @inline(__always)
    private func look<Result>(at index: Int, for thing: (Link) -> Result) -> Result {
        board.links.look(at: index, for: thing)
    }

    // MARK: Admission

    private func enterGate(of id: BackendID, _ index: Int, _ conversation: Link.Conversation) {
        if let limit = upstreams[id.index].limits.maximumConnections,
            openCount(of: id) + upstreams[id.index].held >= limit
        {
            let refusal = Refusal.tooManyConnections(limit: limit)
            conversation.machine.refused(refusal, retryAfter: Refusal.crowdRetry)
            return logRefusal(refusal, id, conversation)
        }
        if let generation = upstreams[id.index].gate.enter() {
            admit(index, conversation, to: id, generation)
        } else {
            let ticket = issueTicket(for: id, index, conversation)
            upstreams[id.index].held += 1
            arrivals[id.index].held += 1
            conversation.machine.held(id)
            log.record(.held, [service(id)] + about(conversation))
            let request = conversation.machine.request
            let cause: WakeCause = request?.upgrade == .webSocket ? .upgrade : .request
            let visitor = Visitor(
                address: conversation.machine.remoteAddress, path: request?.shownPath ?? "",
                agent: request?.shownAgent)
            requests.post(.wanted(id, ticket, cause, mayWake: request?.forwarding.mayWake ?? true, by: visitor))
            statusChanged()
        }
    }

    /// The supervisor's answer will find this conversation by it.
    func issueTicket(for id: BackendID, _ index: Int, _ conversation: Link.Conversation) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        waiting[ticket] = clientToken(index)
        conversation.ticket = (ticket, id)
        return ticket
    }

    private func admit(_ index: Int, _ conversation: Link.Conversation, to id: BackendID, _ generation: Generation) {
        links[index].lease = .init(backend: id, generation: generation)
        conversation.machine.admitted(to: id)
        upstreams[id.index].move(to: generation)
        noteConnections(of: id)
        if upstreams[id.index].greeted != generation {
            upstreams[id.index].greeted = generation
            log.record(
                .firstHit,
                [service(id), LogField("generation", generation.number)] + about(conversation)
                    + [LogField("request", conversation.machine.request?.line ?? "")])
        }
        statusChanged()
    }

    private func turnAway(from id: BackendID, _ conversation: Link.Conversation) {
        conversation.machine.refused(.disabled, retryAfter: nil)
        logRefusal(.disabled, id, conversation)
    }

    func logRefusal(_ refusal: Refusal, _ id: BackendID, _ conversation: Link.Conversation) {
        arrivals[id.index].refused[refusal.reason] += 1
        let reasons = [LogField("reason", refusal.word), LogField("status", 503)]
        log.record(.refused, [service(id)] + reasons + about(conversation))
    }

    /// Who asks, and what this request is called everywhere.
    private func about(_ conversation: Link.Conversation) -> [LogField] {
        let client = LogField("client", conversation.machine.remoteAddress)
        return [client] + (conversation.machine.request.map { [LogField("request_id", $0.id)] } ?? [])
    }

    private func service(_ id: BackendID) -> LogField { LogField("service", upstreams[id.index].name) }

    func handle(_ answer: BackendAnswer) {
        switch answer {
        case .admitted(let id, let ticket, let generation):
            guard let (index, conversation) = answered(ticket) else {
                // The client left after the backend was ready for it.
                return giveBack(.init(backend: id, generation: generation))
            }
            admit(index, conversation, to: id, generation)
            drive(index)
        case .refused(let ticket, let refusal, let retryAfter):
            guard let (index, conversation) = answered(ticket), let id = conversation.machine.request?.service else {
                return
            }
            conversation.machine.refused(refusal, retryAfter: retryAfter)
            logRefusal(refusal, id, conversation)
            drive(index)
        case .takeLeave(let id, let generation, let reason, let window):
            let lease = Link.Lease(backend: id, generation: generation)
            let code = CloseCode(reason)
            upstreams[id.index].leaving = (generation, code)
            takeLeave(of: lease, code, over: window)
            noteDeparture(from: lease)
        case .generationEnded(let id, let generation):
            endLinks(of: .init(backend: id, generation: generation))
            tellCarriers(.generationEnded(.init(backend: id, generation: generation)))
        case .orderEnded(let ticket, let outcome):
            guard let (index, conversation) = answered(ticket) else { return }
            serve(CannedResponse(outcome), conversation)
            drive(index)
        case .printed(let id, let line):
            pass(line, of: id)
        case .stateChanged(let id):
            forsake(id)
            statusChanged()
        }
    }

    private func answered(_ ticket: Ticket) -> (index: Int, conversation: Link.Conversation)? {
        guard let token = waiting.removeValue(forKey: ticket),
            links.contains(index: token.index, generation: token.generation),
            let conversation = links[token.index].conversation
        else { return nil }
        forgetTicket(of: conversation)
        return (token.index, conversation)
    }

    /// An operator has a ticket too, and is nobody who is held.
    private func forgetTicket(of conversation: Link.Conversation) {
        if let id = conversation.machine.request?.service { upstreams[id.index].held -= 1 }
        conversation.ticket = nil
    }

    /// The process is gone. Its sockets have told so already, or somebody else still holds them.
    func endLinks(of lease: Link.Lease) {
        dropSpares { $0 == lease }
        for index in links.indices where links[index].lease == lease {
            if links[index].conversation?.machine.lifeEnded() == true {
                drive(index)
                continue
            }
            links[index].backendIsGone = true
            links[index].upstream?.readiness.insert(.readable)
            let hasEnded = links[index].upstream?.readiness.contains(.peerEnded) ?? false
            if let conversation = links[index].conversation, !hasEnded { conversation.machine.upstreamFailed() }
            drive(index)
        }
    }

    private func giveBack(_ lease: Link.Lease) {
        let gate = upstreams[lease.backend.index].gate
        if gate.leave(lease.generation) {
            if gate.isOpen {
                requests.post(.lastLeaseReturned(lease.backend, lease.generation))
            } else {
                noteDeparture(from: lease)
            }
        }
        noteConnections(of: lease.backend)
        statusChanged()
    }

    // MARK: Ends

    /// The only place where a connection ends: its sockets, its lease, its ticket and its timer go together.
    func close(_ index: Int, _ hangup: Hangup) {
        let token = clientToken(index)
        let link = links.remove(index: index)
        reactor.disarm(.conversation(token))
        if link.lease != nil, link.upstream == nil { reactor.disarm(.connectRetry(token)) }
        if let conversation = link.conversation {
            abandonTicket(of: conversation)
            forgetSpare(of: conversation)
            watchers.removeAll { $0 == token }
            followers.removeAll { $0.token == token }
            noteAbort(of: conversation, hangup)
        } else if let lease = link.lease {
            noteAbort(of: link, at: index, lease, hangup)
            log.record(.tunnelClosed, [service(lease.backend), LogField("reason", hangup.rawValue)])
        }
        noteAnnounced(nil, of: index)
        if hangup.isAbrupt { kernel.reset(link.client.descriptor) } else { kernel.close(link.client.descriptor) }
        if let upstream = link.upstream { kernel.close(upstream.descriptor) }
        leaveCrowd(link.admission)
        if link.pace != nil { reactor.disarm(.pace(token)) }
        if let lease = link.lease { endUse(of: lease, wasDormant: link.isDormant) }
        giveBackWhenEmpty()
    }

    /// What a crowd needed, whoever carried it, is given back once its end has been told everywhere, which needs some
    /// of it again.
    func giveBackWhenEmpty() {
        guard board.links.count == 0 else { return }
        board.scratch.giveBack()
        guard hadCrowd || hasToldOfItself, carriedCount == 0 else { return }
        if hadCrowd, reporting == nil {
            reactor.arm(.crowdSettled, at: kernel.now() + Limits.crowdPause)
        } else {
            kernel.giveBackMemory()
        }
        (hadCrowd, hasToldOfItself) = (false, false)
    }

    func endUse(of lease: Link.Lease, wasDormant: Bool) {
        if report(.leaseEnded(lease, wasDormant: wasDormant)) { return }
        guard wasDormant else { return giveBack(lease) }
        upstreams[lease.backend.index].dormant -= 1
        noteConnections(of: lease.backend)
        noteDeparture(from: lease)
        statusChanged()
    }

    private func noteConnections(of id: BackendID) {
        connectionDays[id.index].connected(openCount(of: id), at: kernel.wallClock().seconds)
    }

    /// Of those who are asked to go, was this the last one?
    private func noteDeparture(from lease: Link.Lease) {
        let upstream = upstreams[lease.backend.index]
        guard upstream.leaving?.generation == lease.generation, openCount(of: lease.backend) == 0 else { return }
        requests.post(.everybodyLeft(lease.backend, lease.generation))
    }

    /// From here on it is the client's data that keeps the backend awake, not the tunnel.
    private func becomeDormant(_ index: Int, _ lease: Link.Lease) {
        guard upstreams[lease.backend.index].idleWhen == .noClientData else { return }
        links[index].isDormant = true
        upstreams[lease.backend.index].dormant += 1
        giveBack(lease)
    }

    private func noteClientData(_ index: Int) {
        guard let lease = links[index].lease else { return }
        upstreams[lease.backend.index].gate.noteClientData(at: kernel.now())
    }

    /// Whatever the supervisor decides about this client comes too late.
    func abandonTicket(of conversation: Link.Conversation) {
        guard let (ticket, id) = conversation.ticket else { return }
        forgetTicket(of: conversation)
        waiting[ticket] = nil
        requests.post(.abandoned(id, ticket))
        statusChanged()
    }

    // MARK: Tunnels

    private func openTunnel(_ index: Int, _ conversation: Link.Conversation) {
        reactor.disarm(.conversation(clientToken(index)))
        let bytes = conversation.machine.takeTunnelBytes()
        if let id = conversation.machine.request?.service {
            log.record(.tunnelOpened, [service(id)] + about(conversation))
        }
        guard let lease = look(at: index, for: { $0.lease }) else { preconditionFailure("a tunnel without a lease") }
        let service = lease.backend.index
        board.openTunnel(
            of: index, bytes, extensionsNegotiated: conversation.machine.extensionsNegotiated, to: service,
            limits: upstreams[service].limits)
        noteAnnounced(conversation.machine.announcedAddress, of: index)
        becomeDormant(index, lease)
        noteCrowd()
        // Whoever was still on the way to a tunnel when the others were told is told now.
        if isDraining {
            takeLeave(of: index, .goingAway)
        } else if let leaving = upstreams[service].leaving, leaving.generation == lease.generation {
            takeLeave(of: index, leaving.code)
        } else if !handOver(index) {
            relay(index)
        }
    }

    /// Opening a tunnel runs through code that an open one does not need: after many, those pages are given back.
    private func noteCrowd() {
        newTunnels += 1
        guard newTunnels >= Limits.crowd else { return }
        newTunnels = 0
        reactor.arm(.crowdSettled, at: kernel.now() + Limits.crowdPause)
    }

    func relay(_ index: Int) {
        ended(board.turn(of: index, through: kernel), of: index)
    }

    private func ended(_ turn: Link.Turn, of index: Int) {
        if turn.clientSpoke { noteClientData(index) }
        if turn.needsCare { attend(to: index, after: turn) }
        if turn.saidFarewell { releaseBackend(of: index) }
        switch turn.progress {
        case .rest: break
        case .more: reactor.resumeLater(clientToken(index))
        case .over(let hangup): close(index, hangup)
        }
    }

    // MARK: Answers of our own

    private func noteComplaint(of conversation: Link.Conversation) {
        guard let response = conversation.machine.takeComplaint(), response.status != 503 else { return }
        if conversation.purpose.isForClients { count(answer: response.status) }
        guard !response.isWrongSecret else { return noteWrongSecret(of: conversation) }
        // 501 and 505 are about what the client sent.
        let isAboutBackend = response.status == 502 || response.status == 504
        var fields = [LogField("status", response.status), LogField("reason", response.body)] + about(conversation)
        fields.append(LogField("request", conversation.machine.request?.line ?? ""))
        if let limit = response.limit { fields.append(LogField("limit", limit)) }
        if let origin = conversation.machine.request?.forwarding.refusedOrigin {
            fields.append(LogField("origin", origin))
        }
        log.record(isAboutBackend ? .upstreamTrouble : .badRequest, fields)
    }

    /// The line names the client, and never the token that it sent.
    private func noteWrongSecret(of conversation: Link.Conversation) {
        guard let suppressed = unauthorizedLog.admit(at: kernel.now()) else { return }
        var fields = [LogField("client", conversation.machine.remoteAddress)]
        fields.append(LogField("path", conversation.machine.request?.shownPath ?? ""))
        if suppressed > 0 { fields.append(LogField("suppressed", suppressed)) }
        log.record(.unauthorized, fields)
    }

    private func count(answer status: Int) {
        if let position = errorAnswers.firstIndex(where: { $0.status == status }) {
            errorAnswers[position].count += 1
        } else {
            errorAnswers.append((status, 1))
        }
    }
}
