/// Changes of services and rules while clients are connected.
extension Proxy {
    // MARK: Rules

    /// Applies to every request that is not parsed yet.
    func update(_ rules: ExchangeRules, for purpose: ListenerSpec.Purpose) {
        for index in listeners.indices where listeners[index]?.purpose == purpose { listeners[index]?.rules = rules }
        for session in sessions.all where session.purpose == purpose { session.machine.update(rules) }
    }

    /// Bound addresses of the client listeners.
    var clientAddresses: [SocketAddress] {
        listeners.compactMap { listener in
            listener.flatMap { $0.purpose.isForClients ? $0.address : nil }
        }
    }

    /// Bound address of the status listener; nil without one.
    var statusAddress: SocketAddress? {
        listeners.lazy.compactMap { listener in
            listener.flatMap { $0.purpose == .status ? $0.address : nil }
        }.first
    }

    // MARK: Services

    /// Adds a service. Reuses a free index from `empty` that no connection refers to, otherwise appends one.
    func register(_ upstream: Upstream, atBestIn empty: inout [BackendID]) -> BackendID {
        guard
            let position = empty.firstIndex(where: { upstreams.indices.contains($0.index) && isUnused($0) })
        else {
            upstreams.append(upstream)
            admissions.append(AdmissionCounters())
            connectionHistories.append(ConnectionHistory())
            let id = BackendID(index: upstreams.count - 1)
            tellRelays(of: id)
            return id
        }
        let id = empty.remove(at: position)
        mergeTraffic()
        upstreams[id.index] = upstream
        relay.table.traffic[id.index] = Traffic()
        admissions[id.index] = AdmissionCounters()
        connectionHistories[id.index] = ConnectionHistory()
        tellRelays(of: id)
        return id
    }

    /// Copies the counters of a removed service to the service of the same name that replaces it.
    func inheritCounts(_ id: BackendID, from namesake: BackendID) {
        mergeTraffic()
        relay.table.traffic[id.index] = relay.table.traffic[namesake.index]
        admissions[id.index] = admissions[namesake.index]
        connectionHistories[id.index] = connectionHistories[namesake.index]
    }

    /// Whether no connection refers to this service.
    private func isUnused(_ id: BackendID) -> Bool {
        upstreams[id.index].onWorkers == 0 && relay.isUnused(id)
            && sessions.all.allSatisfy { session in
                session.lease?.backend != id && session.ticket?.backend != id
                    && session.idleUpstream?.backend != id && session.machine.request?.service != id
            }
    }

    /// Changes the address of a service: at once, or after the current generation if `after` names it.
    func redirect(_ id: BackendID, to address: SocketAddress, idleWhen: IdleWhen, after generation: Generation?) {
        if let generation {
            // The current generation may have begun after an earlier change, before any request was admitted to it.
            upstreams[id.index].move(to: generation)
            upstreams[id.index].next = .init(after: generation, address: address, idleWhen: idleWhen)
        } else {
            if upstreams[id.index].address != address { closeIdleUpstreams { $0.backend == id } }
            upstreams[id.index].next = nil
            upstreams[id.index].address = address
            upstreams[id.index].idleWhen = idleWhen
        }
    }

    /// Applies to new tunnels. `send_timeout` applies to open tunnels as well.
    func update(_ limits: ServiceLimits, of id: BackendID) {
        upstreams[id.index].limits = limits
        tellRelays(of: id)
    }

    // MARK: Unmanaged services

    /// Opens the gate of an unmanaged service. It stays open while the service is configured and enabled.
    func openUnmanaged(_ id: BackendID) {
        upstreams[id.index].unmanagedGeneration = upstreams[id.index].unmanagedGeneration.next
        upstreams[id.index].gate.open(upstreams[id.index].unmanagedGeneration, leases: 0)
    }

    /// Closes the gate and the tunnels of an unmanaged service, as for a stopped backend.
    func closeUnmanaged(_ id: BackendID, over window: Duration, within timeout: Duration) {
        let lease = Lease(backend: id, generation: upstreams[id.index].unmanagedGeneration)
        upstreams[id.index].gate.close()
        closeIdleUpstreamsOfClosedGate(id)
        upstreams[id.index].closing = (lease.generation, .goingAway)
        closeTunnels(of: lease, .goingAway, over: window)
        reactor.arm(.unmanagedDrain(id), at: kernel.now() + max(timeout, window + Limits.closeTimeout))
    }

    /// Closes connections that are still open after the close timeout.
    func unmanagedDrainTimedOut(_ id: BackendID) {
        close(id, sparing: upstreams[id.index].gate.isOpen ? upstreams[id.index].unmanagedGeneration : nil)
    }

    /// Closes all connections of this service except those of one generation.
    func close(_ id: BackendID, sparing generation: Generation?) {
        for index in sessions.indices {
            guard let lease = sessions[index]?.lease, lease.backend == id, lease.generation != generation else {
                continue
            }
            close(index, .shuttingDown)
        }
        relay.close(id, sparing: generation)
        sendToWorkers(.close(id, sparing: generation))
    }
}

extension Proxy.Upstream {
    /// What relays know of it.
    var ofTunnels: TunnelService { TunnelService(name: name, gate: gate, limits: limits) }

    /// Address and idle rule of the generations after `after`.
    struct Move {
        let after: Generation
        let address: SocketAddress
        let idleWhen: IdleWhen
    }

    /// Applies a pending move when the first request of a later generation is admitted.
    mutating func move(to generation: Generation) {
        guard let next, generation > next.after else { return }
        (address, idleWhen) = (next.address, next.idleWhen)
        self.next = nil
    }
}

extension Proxy: BackendAccess {
    func gate(of backend: BackendID) -> BackendGate { upstreams[backend.index].gate }

    func address(of backend: BackendID, _ generation: Generation) -> SocketAddress {
        upstreams[backend.index].move(to: generation)
        return upstreams[backend.index].currentAddress
    }
}
