/// Messages of other drivers and of the workers, and what the daemon changes between events.
extension Proxy {
    // MARK: The supervisor

    func handle(_ reply: BackendReply) {
        switch reply {
        case .admitted(let id, let ticket, let generation):
            guard let session = queue.redeem(ticket) else {
                // The client left before the admission arrived.
                return services.returnLease(.init(backend: id, generation: generation))
            }
            http.admit(session, to: id, generation)
            http.runSteps(session.token.index, session)
        case .refused(let ticket, let refusal, let retryAfter):
            guard let session = queue.redeem(ticket), let id = session.machine.request?.service else { return }
            http.refuse(session, by: id, refusal, retryAfter: retryAfter)
            http.runSteps(session.token.index, session)
        case .closeTunnels(let id, let generation, let reason, let window):
            let lease = Lease(backend: id, generation: generation)
            let code = CloseCode(reason)
            services.beginClosing(lease, code)
            closeTunnels(of: lease, code, over: window)
            services.reportDrained(from: lease)
        case .generationEnded(let id, let generation):
            let lease = Lease(backend: id, generation: generation)
            http.generationEnded(lease)
            relay.endTunnels(of: lease)
            workers.send(.generationEnded(lease))
        case .operationEnded(let ticket, let outcome):
            guard let session = queue.redeem(ticket) else { return }
            endpoints.respond(LocalReply(outcome), session)
            http.runSteps(session.token.index, session)
        case .printed(let id, let line): follow(endpoints.pass(line, of: id))
        case .stateChanged(let id):
            upstreams.closeIdleOfClosedGate(id)
            subscribers.statusChanged()
        }
    }

    /// Sends close frames to all tunnels of this thread and of the workers, or to those of one generation.
    func closeTunnels(of lease: Lease?, _ code: CloseCode, over window: Duration) {
        workers.send(.closeTunnels(lease, code, over: window))
        relay.closeTunnels(of: lease, code, over: window)
    }

    // MARK: Local endpoints

    func handle(_ reply: CableReply) {
        switch reply {
        case .response(let response, let requester): follow(endpoints.handle(response, for: requester))
        case .sessionEnded(let id, let admission):
            cables.ended(id)
            listeners.release(admission)
            memory.connectionChanged()
        case .upstreamEnded(let id, let generation, let wasUncounted):
            services.endUse(of: .init(backend: id, generation: generation), wasUncounted: wasUncounted)
        case .upstreamUncounted(let id, let generation):
            services.becameUncounted(.init(backend: id, generation: generation))
        case .upstreamCounted(let id, _): services.becameCounted(id)
        }
    }

    func handle(_ reply: CommandReply) { follow(endpoints.handle(reply)) }

    func handle(_ response: DaemonReply) { follow(endpoints.handle(response)) }

    private func follow(_ continuations: [LocalEndpoints<K>.Continuation]) {
        for continuation in continuations {
            switch continuation {
            case .run(let session): http.runSteps(session.token.index, session)
            case .close(let session): http.close(session.token.index, .stalled)
            }
        }
    }

    /// Closes the log streams of a removed backend. Its index may be reused.
    func endFollowing(_ id: BackendID) {
        for token in subscribers.subscribers(ofOutputOf: id) { http.close(token.index, .done) }
    }

    // MARK: Workers

    func handleWorkerEvents() {
        for ending in workers.takeEndings() {
            switch ending {
            case .lease(let lease, let wasUncounted): services.endUse(of: lease, wasUncounted: wasUncounted)
            case .connection(let admission): listeners.release(admission)
            }
        }
        // Trim after the events are freed: many ended tunnels send many events.
        http.trimMemoryWhenEmpty()
    }

    /// Connections of this thread and of all workers.
    var connectionCount: Int { relay.count + workers.connectionCount }

    /// Open tunnels by service index.
    func openTunnels() -> [Int] {
        var counts = services.onWorkers
        relay.countTunnels(in: &counts)
        return counts
    }

    // MARK: Reload

    /// Applies to every request that is not parsed yet.
    func update(_ rules: ExchangeRules, for purpose: ListenerSpec.Purpose) {
        listeners.update(rules, for: purpose)
        for session in sessions.all where session.purpose == purpose { session.machine.update(rules) }
    }

    /// Adds a service. Reuses a free index from `empty` that no connection refers to, otherwise appends one.
    func register(_ service: ProxyService, atBestIn empty: inout [BackendID]) -> BackendID {
        let id = services.register(service, atBestIn: &empty, where: isUnused)
        workers.mergeTraffic(into: relay)
        registerWithRelays(id)
        relay.setTraffic(of: id, to: Traffic())
        return id
    }

    /// Copies the counters of a removed service to the service of the same name that replaces it.
    func inheritCounts(_ id: BackendID, from namesake: BackendID) {
        workers.mergeTraffic(into: relay)
        relay.setTraffic(of: id, to: relay.traffic(of: namesake))
        services.inheritCounts(id, from: namesake)
    }

    /// Whether no connection of this thread refers to this service.
    private func isUnused(_ id: BackendID) -> Bool {
        relay.isUnused(id)
            && sessions.all.allSatisfy { session in
                session.lease?.backend != id && session.ticket?.backend != id
                    && session.idleUpstream?.backend != id && session.machine.request?.service != id
            }
    }

    /// Changes the address of a service: at once, or after the current generation if `after` names it.
    func redirect(_ id: BackendID, to address: SocketAddress, idleWhen: IdleWhen, after generation: Generation?) {
        let isMoved = services.redirect(id, to: address, idleWhen: idleWhen, after: generation)
        if isMoved { upstreams.closeIdle { $0.backend == id } }
    }

    /// Applies to new tunnels. `send_timeout` applies to open tunnels as well.
    func update(_ limits: ServiceLimits, of id: BackendID) {
        services.update(limits, of: id)
        registerWithRelays(id)
    }

    /// Registers a new or changed service with the relays of all threads.
    private func registerWithRelays(_ id: BackendID) {
        let service = services.ofTunnels(id)
        relay.register(service, at: id)
        workers.send(.register(service, at: id))
    }

    // MARK: Closing

    /// Starts the drain: closes client listeners and idle connections, sends close frames to tunnels, rejects queued
    /// requests. Requests in progress finish. Status and control requests are still served.
    func drain(over window: Duration) {
        listeners.closeForClients()
        http.drain()
        closeTunnels(of: nil, .goingAway, over: window)
    }

    /// Closes the gate and the tunnels of an unmanaged service, as for a stopped backend. Connections that are still
    /// open after the close timeout are closed.
    func closeUnmanaged(_ id: BackendID, over window: Duration, within timeout: Duration) {
        let lease = services.closeUnmanaged(id)
        upstreams.closeIdleOfClosedGate(id)
        closeTunnels(of: lease, .goingAway, over: window)
        reactor.arm(.unmanagedDrain(id), at: kernel.now() + max(timeout, window + Limits.closeTimeout))
    }

    /// Closes all connections of this service except those of one generation.
    func close(_ id: BackendID, sparing generation: Generation?) {
        http.close(id, sparing: generation)
        relay.close(id, sparing: generation)
        workers.send(.close(id, sparing: generation))
    }

    /// All exchanges and tunnels have ended. Lingering connections have their response, and status requests do not
    /// delay the shutdown.
    var isDrained: Bool {
        workers.connectionCount == 0 && relay.isDrained && sessions.all.allSatisfy { !$0.machine.delaysShutdown }
    }

    /// Closes all connections at once.
    func closeEverything() {
        http.closeEverything()
        relay.closeEverything()
        workers.send(.closeEverything)
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
