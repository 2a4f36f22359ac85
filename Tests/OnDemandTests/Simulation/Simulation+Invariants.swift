@testable import OnDemand

/// Invariants after every loop iteration, at rest, and after the daemon's exit.
extension Simulation {
    // MARK: After every iteration

    /// An iteration without a change needs no check.
    func judgeTurn(_ daemon: Daemon<SimulatedKernel>) {
        guard kernel.progress != judgedProgress else { return }
        judgedProgress = kernel.progress
        let proxy = daemon.proxy
        var leases: [BackendID: Int] = [:]
        var idleUpstreams = 0
        var slots = 0
        for session in proxy.sessions.all {
            slots += 1
            judgeBounds(of: session)
            if let idleUpstream = session.idleUpstream {
                idleUpstreams += 1
                judge(idleUpstream, of: session, proxy)
            }
            if let lease = session.lease, counts(lease, daemon) { leases[lease.backend, default: 0] += 1 }
        }
        proxy.relay.table.tunnels.visit { tunnel in
            slots += tunnel.isOpen ? 1 : 0
            judgeBounds(of: tunnel)
            if let lease = tunnel.heldLease, counts(lease, daemon), !tunnel.isUncounted {
                leases[lease.backend, default: 0] += 1
            }
        }
        if slots != proxy.relay.count {
            kernel.complain("\(proxy.relay.count) slots are taken, by \(slots) sessions and tunnels")
        }
        for lease in carriedLeases(daemon) where counts(lease, daemon) {
            leases[lease.backend, default: 0] += 1
        }
        let counted = proxy.upstreams.idleCount
        if counted != idleUpstreams {
            kernel.complain("\(counted) idle upstream connections are counted, \(idleUpstreams) are there")
        }
        for lease in sessionLeases(daemon) where counts(lease, daemon) { leases[lease.backend, default: 0] += 1 }
        for lease in daemon.supervisor.inOrder.flatMap({ daemon.supervisor.driver.dependencies.held(by: $0.id) }) {
            // A closed gate still counts the leases of its generation.
            let counted = lease.required.gate.openGeneration ?? lease.required.machine.generation
            guard lease.generation == counted else {
                kernel.complain("a lease of \(lease.required.name) is held of an old generation")
                continue
            }
            leases[lease.required.id, default: 0] += 1
        }
        let services = proxy.services.all.enumerated().map { (BackendID(index: $0), $1.gate) }
        let processes = daemon.supervisor.inOrder.filter { $0.kind == .process }.map { ($0.id, $0.gate) }
        for (id, gate) in services + processes where gate.leases != leases[id, default: 0] {
            // A gate that was closed by force no longer counts leases.
            guard gate.isOpen || gate.leases > 0 else { continue }
            kernel.complain("\(id) counts \(gate.leases) leases; \(leases[id, default: 0]) exist")
        }
    }

    /// The leases of clients of cables.
    private func sessionLeases(_ daemon: Daemon<SimulatedKernel>) -> [Lease] {
        let sessions = daemon.cableServer.sessions
        return sessions.indices.compactMap { index in
            guard let relay = sessions.relay(of: index), let upstream = relay.upstream, upstream.isCounted else {
                return nil
            }
            return .init(backend: relay.backend, generation: upstream.generation)
        }
    }

    /// The leases of tunnels on worker threads and in transit, and whether they are counted correctly.
    private func carriedLeases(_ daemon: Daemon<SimulatedKernel>) -> [Lease] {
        guard let reports = daemon.proxy.workers.pendingEvents?.peek() else { return [] }
        var held: [Lease] = []
        var onWorkers: [BackendID: Int] = [:]
        func note(_ lease: Lease, isUncounted: Bool) {
            onWorkers[lease.backend, default: 0] += 1
            if !isUncounted { held.append(lease) }
        }
        for (position, worker) in daemon.workers.enumerated() {
            var connections = 0
            func inspect(_ tunnel: Tunnel) {
                judgeBounds(of: tunnel)
                connections += 1
                if let lease = tunnel.heldLease { note(lease, isUncounted: tunnel.isUncounted) }
            }
            worker.relay.table.tunnels.visit(inspect)
            worker.requests.peek().compactMap(\.adopted).forEach(inspect)
            for report in reports where report.worker == position {
                if case .leaseEnded(let lease, let wasUncounted) = report.content {
                    note(lease, isUncounted: wasUncounted)
                }
                if case .connectionEnded = report.content { connections += 1 }
            }
            let counted = daemon.proxy.workers.connections[position]
            if connections != counted, !daemon.hasExited {
                kernel.complain("worker \(position) has \(connections) connections; \(counted) are counted")
            }
        }
        for (index, upstream) in daemon.proxy.services.all.enumerated() where !daemon.hasExited {
            let there = onWorkers[BackendID(index: index), default: 0]
            if upstream.onWorkers != there {
                kernel.complain(
                    "\(there) tunnels of \(upstream.name) are on workers; \(upstream.onWorkers) are counted")
            }
        }
        return held
    }

    /// Whether a gate has counted this lease: the gate of the current or of the ending generation.
    private func counts(_ lease: Lease, _ daemon: Daemon<SimulatedKernel>) -> Bool {
        let gate = daemon.proxy.services.gate(of: lease.backend)
        guard !gate.isOpen else { return lease.generation == gate.openGeneration }
        let backend = daemon.supervisor.inOrder.first { $0.id == lease.backend }
        let plain = daemon.proxy.services.all[lease.backend.index].unmanagedGeneration
        // For a removed backend, the gate still counts the last generation.
        guard let backend else { return plain.number == 0 || lease.generation == plain }
        return lease.generation == backend.machine.generation
    }

    /// An idle upstream connection is no reason to stay awake, and belongs to a current generation.
    private func judge(_ idleUpstream: Lease, of session: HTTPSession, _ proxy: Proxy<SimulatedKernel>) {
        if session.lease != nil { kernel.complain("an idle upstream connection holds a lease") }
        if session.upstream == nil { kernel.complain("an idle upstream connection has no upstream") }
        if proxy.services.gate(of: idleUpstream.backend).openGeneration != idleUpstream.generation {
            kernel.complain("an idle upstream connection belongs to an old generation of \(idleUpstream.backend)")
        }
    }

    private func judgeBounds(of session: HTTPSession) {
        let machine = session.machine
        judge(
            [machine.toClient.count, machine.toUpstream.count, machine.inbound.count, machine.upstream.unread.count],
            within: Limits.readBufferBytes)
    }

    private func judgeBounds(of tunnel: Tunnel) {
        judge([tunnel.up.pending.count, tunnel.down.pending.count], within: Limits.largeReadBytes)
    }

    private func judge(_ holdings: [Int], within oneRead: Int) {
        if let most = holdings.max(), most > oneRead + 2 * HeadLimits().maximumHeaderBytes {
            kernel.complain("\(most) bytes are buffered for one direction of a connection")
        }
    }

    // MARK: At rest

    func judgeQuiet() {
        guard let daemon, !daemon.hasExited else { return }
        for client in clients where !client.isOver { kernel.complain("\(client.name) never gets a response") }
        let left = daemon.proxy.connectionCount
        if left != 0 { kernel.complain("\(left) connections are left") }
        if daemon.reactor.hasTimers || daemon.workers.contains(where: \.reactor.hasTimers) {
            kernel.complain("a timer is armed although nothing happens")
        }
        var lacking: Set<String> = []
        for backend in daemon.supervisor.inOrder {
            // A backend whose requirement an operator has disabled waits for the operator.
            let lacks = !lacking.isDisjoint(with: backend.machine.policy.requires)
            if lacks || backend.machine.standing == .disabled { lacking.insert(backend.name) }
            judgeRest(of: backend, lacks: lacks)
        }
        judgeSeats(daemon)
        cableWorld?.judgeQuiet(daemon)
        let bells = daemon.workers.isEmpty ? 0 : daemon.workers.count + 1
        kernel.judgeGuard()
        let channels = kernel.children.processGuard == nil ? 0 : 1
        let own = 1 + bells + channels + daemon.listeners.indices.joined().count
        let expected = daemon.supervisor.inOrder.reduce(own) { count, backend in
            let notifies = backend.machine.policy.readiness == .notify
            let ofChild = backend.child == nil ? 0 : notifies ? 3 : 2
            return count + ofChild + (daemon.supervisor.generations.hasSocket(backend.id) ? 1 : 0)
        }
        if kernel.files.count != expected {
            kernel.complain("\(kernel.files.count) descriptors are open where \(expected) are needed")
        }
    }

    private func judgeRest(of backend: SupervisedBackend, lacks: Bool) {
        let (policy, standing) = (backend.machine.policy, backend.machine.standing)
        // Only another backend can hold a lease now.
        let staysAwake =
            policy.alwaysOn || policy.idleTimeout == nil || standing == .pinned || backend.gate.leases > 0
        let comesBack = !lacks && (standing == .pinned || standing == .usual && policy.comesBack)
        switch backend.machine.state {
        case .asleep where !comesBack && backend.gate.leases == 0: break
        case .awake where staysAwake: break
        default: kernel.complain("\(backend.name) rests while \(backend.machine.state)")
        }
        if case .asleep = backend.machine.state, backend.gate.isOpen {
            kernel.complain("\(backend.name) is asleep with an open gate")
        }
    }

    // MARK: After the exit

    func judgeDeparture() {
        guard let daemon else { return }
        guard daemon.hasExited else { return kernel.complain("the daemon was asked to exit and is still there") }
        let left = kernel.files.values.count { file in
            switch file {
            // The channel's end belongs to the daemon.
            case .signals, .wakeup, .guardChannel: false
            default: true
            }
        }
        if left > 0 { kernel.complain("\(left) descriptors are left open at the end") }
        for process in kernel.children.all {
            kernel.complain("process \(process.id) outlived the daemon, or was never reaped")
        }
    }

    // MARK: Each client's outcome

    func judge(_ client: VirtualClient) {
        guard !client.hasLeft, !client.wasRefused || !kernel.isShuttingDown else { return }
        if client.wasRefused { return kernel.complain("\(client.name) found no listener") }
        for (index, exchange) in client.exchanges.enumerated() {
            // After a response that closes the connection, the remaining requests were never sent.
            if exchange.askedAt == nil, index > 0 { return }
            judge(exchange, of: client)
            if exchange.isLast { return }
        }
    }

    /// Every operator gets a response with a text.
    func judge(_ virtual: VirtualOperator) {
        guard virtual.hasArrived, !virtual.wasRefused, kernel.failedVerb == nil, !kernel.hasJumped else { return }
        let isKnown = [200, 409, 502, 503].contains(virtual.status ?? 0)
        if !isKnown, scenario.terminates == nil, scenario.descriptorLimit == 1024, scenario.faults.failingWatches == 0 {
            kernel.complain("\(virtual.name) got \(virtual.text)")
        }
    }

    private func judge(_ exchange: VirtualClient.Exchange, of client: VirtualClient) {
        let expected = exchange.expectedOutcome
        let isExcused = !generalExcuses(for: client).isEmpty || client.isSlow
        let causes = isExcused ? [] : troubles(of: exchange, client)
        let mayGet = { (symptom: FaultHistory.Symptom) in isExcused || causes.contains { $0.explains(symptom) } }
        switch exchange.outcome {
        case expected: break
        case .answered(503) where mayGet(.rejection):
            let service = client.script.service
            let disables = scenario.operations.contains { $0.service == service && $0.operation == .disable }
            let isDisabled =
                disables || !scenario.services[service].isEnabled || scenario.reloadExcuse(for: service) != nil
            if exchange.retryAfter == nil, !isDisabled {
                kernel.complain("\(client.name) was refused without Retry-After")
            }
        case .answered(404) where scenario.reloadExcuse(for: client.script.service) != nil: break
        case .cut where exchange.request.upgrades && scenario.reloadMayEndTunnels(of: client.script.service): break
        case .answered(502) where mayGet(.failure), .answered(504) where mayGet(.failure): break
        case .answered(408) where client.isSlow || kernel.hasJumped: break
        case .cut where kernel.hasLackedDescriptors && exchange.key != client.exchanges[0].key: break
        case .cut where mayGet(.cut) || exchange.request.endsRudely: break
        default:
            kernel.complain("\(client.name), request \(exchange.key): \(exchange.outcome) instead of \(expected)")
        }
        if exchange.isShort, !mayGet(.cut) {
            kernel.complain("\(client.name) read fewer bytes than were sent, and a clean end")
        }
        judgeResponseTime(exchange, client)
    }

    /// Checks that a response arrives within the limits of a stop, a start and a response. Time that the simulated
    /// machine spends in its loop iterations does not count.
    private func judgeResponseTime(_ exchange: VirtualClient.Exchange, _ client: VirtualClient) {
        guard let asked = exchange.askedAt, let answered = exchange.answeredAt, !client.isSlow, !kernel.isSlow else {
            return
        }
        let service = client.script.service
        let starts = [service] + scenario.allRequirements(of: service)
        let start = starts.map { scenario.policy(of: $0) }.reduce(Duration.zero) { sum, policy in
            sum + policy.startupTimeout + policy.stopPlan.length + .seconds(2)
        }
        let limit = start + Limits.responseTimeout + Limits.connectTimeout + .seconds(5)
        let waitedForTheDaemon = answered - asked - exchange.slowTurnTime
        if waitedForTheDaemon > limit * (client.script.isPipelined ? client.exchanges.count : 1) {
            kernel.complain("\(client.name) waited \(answered - asked) for its response")
        }
    }

    /// The faults of the services that this request needed, while it waited.
    private func troubles(of exchange: VirtualClient.Exchange, _ client: VirtualClient) -> [FaultHistory.Cause] {
        let (from, to) = (exchange.askedAt ?? client.arrivedAt, exchange.settledAt ?? kernel.clock)
        let needed = [client.script.service] + scenario.allRequirements(of: client.script.service)
        // A fault of one delays those that require it.
        let recovery = needed.map { self.recovery(of: $0) }.reduce(Duration.zero, +)
        return needed.flatMap { kernel.troubles.causes(of: $0, from: from, to: to, recovery: recovery) }
    }

    /// The longest time from the end of a fault until the service is awake again: a backoff, a stop and a start.
    private func recovery(of service: Int) -> Duration {
        let policy = scenario.policy(of: service)
        return policy.backoff.longest + policy.stopPlan.length + policy.startupTimeout + policy.minimumSleep
    }

    /// Reasons of the whole scenario why this client may have got something other than its backend's response.
    private func generalExcuses(for client: VirtualClient) -> [String] {
        var reasons: [String] = []
        for required in scenario.allRequirements(of: client.script.service)
        where scenario.policy(of: required).minimumSleep > .zero {
            reasons.append("a sleep of what it requires")
        }
        let service = scenario.services[client.script.service]
        if let excuse = scenario.reloadExcuse(for: client.script.service) { reasons.append(excuse) }
        if kernel.failedVerb != nil { reasons.append("a failed call") }
        if scenario.clients.count > service.policy.maximumQueue { reasons.append("a short queue") }
        if kernel.hasJumped { reasons.append("a day that passed at once") }
        if service.wakeOn != .any || service.policy.minimumSleep > .zero { reasons.append("a sleep") }
        if scenario.terminates != nil { reasons.append("a shutdown") }
        if !service.isEnabled || !service.launches { reasons.append("an unmanaged or disabled service") }
        return reasons
    }
}

extension Simulation {
    /// Returns the outcomes of all requests of a client, by its position.
    func outcomes(of client: Int) -> [VirtualClient.Outcome] { clients[client].exchanges.map(\.outcome) }

    /// Returns the time from the last byte of a client's first request to the first byte of its response.
    func wait(of client: Int) -> Duration? {
        let exchange = clients[client].exchanges[0]
        guard let asked = exchange.askedAt, let answered = exchange.answeredAt else { return nil }
        return answered - asked
    }
}

extension ClientScript.Request {
    /// One side of the chat closes while the other may still be sending.
    fileprivate var endsRudely: Bool {
        if case .chat(let chat) = wish { !chat.ending.isPolite } else { false }
    }
}

extension VirtualClient.Exchange {
    var expectedOutcome: VirtualClient.Outcome {
        guard !request.isLost else { return .answered(404) }
        return switch request.wish {
        case .length, .chunked, .untilClose: .answered(200)
        case .nothing: .answered(204)
        case .refusedUpgrade: .answered(404)
        case .chat: .chatted
        }
    }
}

extension VirtualClient {
    /// Its own script may make it exceed a limit of the daemon.
    var isSlow: Bool {
        script.reading != .eager || script.pieces.map { $0.pause > .milliseconds(20) } ?? false
            || script.thinks > .seconds(60)
    }
}

extension BackendGate {
    /// The generation of an open gate; the count does not change.
    var openGeneration: Generation? {
        guard let generation = enter() else { return nil }
        _ = leave(generation)
        return generation
    }
}

extension ThreadSafeQueue {
    /// Returns the queued messages and keeps them queued.
    func peek() -> [Message] {
        let messages = takeAll()
        guard !messages.isEmpty else { return [] }
        // The real kernel already has the wakeup of these messages.
        let nowhere = SimulatedKernel(seed: 0)
        for message in messages { post(message, through: nowhere) }
        return messages
    }
}

extension WorkerRequest {
    fileprivate var adopted: Tunnel? {
        if case .tunnel(let transfer) = self { transfer.tunnel } else { nil }
    }
}

extension Slab {
    /// Visits every element; stops when all are found.
    fileprivate func visit(_ body: (Element) -> Void) {
        var (index, left) = (0, count)
        while left > 0 {
            if isTaken(index) {
                body(self[index])
                left -= 1
            }
            index += 1
        }
    }
}
