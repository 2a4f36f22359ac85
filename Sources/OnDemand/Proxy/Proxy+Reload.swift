/// Services and rules that change while clients are there.
extension Proxy {
    // MARK: Rules

    /// For every request that is not understood yet.
    func update(_ rules: ExchangeRules, for purpose: ListenerSpec.Purpose) {
        for index in listeners.indices where listeners[index]?.purpose == purpose { listeners[index]?.rules = rules }
        for index in connections.indices {
            guard let session = connections[index].session, session.purpose == purpose else { continue }
            session.machine.update(rules)
        }
    }

    /// Where they come in, as bound.
    var clientAddresses: [SocketAddress] {
        listeners.compactMap { listener in
            listener.flatMap { $0.purpose.isForClients ? $0.address : nil }
        }
    }

    // MARK: Services

    /// A place for one more service, at best one that nobody knows any more.
    func register(_ upstream: Upstream, atBestIn empty: inout [BackendID]) -> BackendID {
        guard
            let position = empty.firstIndex(where: { upstreams.indices.contains($0.index) && isForgotten($0) })
        else {
            upstreams.append(upstream)
            traffic.append(Traffic())
            admissions.append(AdmissionCounters())
            connectionHistories.append(ConnectionHistory())
            let id = BackendID(index: upstreams.count - 1)
            sendToWorkers(of: id)
            return id
        }
        let id = empty.remove(at: position)
        mergeTraffic()
        upstreams[id.index] = upstream
        traffic[id.index] = Traffic()
        admissions[id.index] = AdmissionCounters()
        connectionHistories[id.index] = ConnectionHistory()
        sendToWorkers(of: id)
        return id
    }

    /// Its counters go on where those of its namesake are, who leaves.
    func inheritCounts(_ id: BackendID, from namesake: BackendID) {
        mergeTraffic()
        traffic[id.index] = traffic[namesake.index]
        admissions[id.index] = admissions[namesake.index]
        connectionHistories[id.index] = connectionHistories[namesake.index]
    }

    /// Whether no connection has to do with it.
    private func isForgotten(_ id: BackendID) -> Bool {
        upstreams[id.index].onWorkers == 0
            && connections.indices.allSatisfy { index in
                let session = connections[index].session
                return connections[index].lease?.backend != id && session?.ticket?.backend != id
                    && session?.idleUpstream?.backend != id
                    && session?.machine.request?.service != id
            }
    }

    /// From the next connection on, or where a generation still lives by what was said before, from the next one on.
    func redirect(_ id: BackendID, to address: SocketAddress, idleWhen: IdleWhen, after generation: Generation?) {
        if let generation {
            // The one that lives may have begun after an earlier change, and nobody has been admitted to it yet.
            upstreams[id.index].move(to: generation)
            upstreams[id.index].next = .init(after: generation, address: address, idleWhen: idleWhen)
        } else {
            if upstreams[id.index].address != address { closeIdleUpstreams { $0.backend == id } }
            upstreams[id.index].next = nil
            upstreams[id.index].address = address
            upstreams[id.index].idleWhen = idleWhen
        }
    }

    /// For tunnels that open from now on, and for how long a client of one may take nothing.
    func update(_ limits: ServiceLimits, of id: BackendID) {
        upstreams[id.index].limits = limits
        sendToWorkers(of: id)
    }

    // MARK: What runs outside

    /// What already runs is open for as long as it is configured and enabled.
    func openPlain(_ id: BackendID) {
        upstreams[id.index].plainGeneration = upstreams[id.index].plainGeneration.next
        upstreams[id.index].gate.open(upstreams[id.index].plainGeneration, leases: 0)
    }

    /// Its clients leave as those of a backend that is stopped.
    func closePlain(_ id: BackendID, over window: Duration, within patience: Duration) {
        let lease = Connection.Lease(backend: id, generation: upstreams[id.index].plainGeneration)
        upstreams[id.index].gate.close()
        closeIdleUpstreamsOfClosedGate(id)
        upstreams[id.index].leaving = (lease.generation, .goingAway)
        closeTunnels(of: lease, .goingAway, over: window)
        reactor.arm(.leave(id), at: kernel.now() + max(patience, window + Limits.closeTimeout))
    }

    /// Who is still there has had its time.
    func plainLeaveIsOver(_ id: BackendID) {
        close(id, sparing: upstreams[id.index].gate.isOpen ? upstreams[id.index].plainGeneration : nil)
    }

    /// Everybody who uses this service, but for one of its lives.
    func close(_ id: BackendID, sparing generation: Generation?) {
        for index in connections.indices {
            guard let lease = connections[index].lease, lease.backend == id, lease.generation != generation else {
                continue
            }
            close(index, .shuttingDown)
        }
        sendToWorkers(.close(id, sparing: generation))
    }
}

extension Proxy.Upstream {
    /// Where and how the generations after `after` are served.
    struct Move {
        let after: Generation
        let address: SocketAddress
        let idleWhen: IdleWhen
    }

    /// Admission is what tells a new generation from the one before.
    mutating func move(to generation: Generation) {
        guard let next, generation > next.after else { return }
        (address, idleWhen) = (next.address, next.idleWhen)
        self.next = nil
    }
}
