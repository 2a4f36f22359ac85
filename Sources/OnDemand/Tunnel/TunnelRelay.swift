/// Relays the open tunnels of one thread: of the proxy's, or of a worker's.
///
/// - `relayRun` and `ready` handle socket events, `timerFired` the deadlines and pauses of tunnels.
/// - Every message takes `TunnelTable.relayRun`. Rare outcomes are handled here: an end, a violation, a timer, a close
///   handshake.
/// - The owner is told of each lease that is returned and of each tunnel that is closed. It decides what they mean.
///
/// Invariants: sockets, timers and the lease of a tunnel are released in `close`, the upstream and the lease possibly
/// before, in `releaseBackend`. The relay knows gates, never HTTP.
final class TunnelRelay<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    var owner: TunnelOwner?
    var table: TunnelTable
    /// By the index of the `BackendID`.
    var services: [TunnelService]
    /// Client addresses of tunnels from PROXY headers, by the index of the slot.
    private var announcedClients: [String?] = []
    /// The last upstream number of a tunnel from another thread, for tokens.
    private var lastUpstreamNumber: UInt32 = 0

    var kernel: K { reactor.kernel }

    init(services: [TunnelService], reactor: Reactor<K>, log: Log) {
        self.services = services
        self.reactor = reactor
        self.log = log
        table = TunnelTable(traffic: Array(repeating: Traffic(), count: services.count))
    }

    // MARK: Services

    /// Adds a service, or changes it for new tunnels. `send_timeout` applies to open tunnels as well.
    func register(_ service: TunnelService, at id: BackendID) {
        guard services.indices.contains(id.index) else {
            precondition(id.index == services.count, "services are registered in order of their indices")
            services.append(service)
            table.traffic.append(Traffic())
            return
        }
        var service = service
        if services[id.index].gate === service.gate { service.aborts = services[id.index].aborts }
        services[id.index] = service
    }

    /// Whether no tunnel uses this service.
    func isUnused(_ id: BackendID) -> Bool {
        table.indices.allSatisfy { table.tunnels.peek(at: $0) { $0.heldLease?.backend } != id }
    }

    /// Adds the open tunnels of each service to `counts`.
    func countTunnels(in counts: inout [Int]) {
        for index in table.indices {
            if let lease = table.tunnels.peek(at: index, for: { $0.heldLease }) { counts[lease.backend.index] += 1 }
        }
    }

    // MARK: Traffic

    func traffic(of id: BackendID) -> Traffic { table.traffic[id.index] }

    /// Sets the counters of a service: of a new one at a used index, or of one that replaces another.
    func setTraffic(of id: BackendID, to traffic: Traffic) { table.traffic[id.index] = traffic }

    /// Adds the counters of a worker.
    func merge(_ counters: SharedCounters) { counters.merge(into: &table.traffic) }

    // MARK: Slots

    /// Taken slots, with or without a tunnel.
    var count: Int { table.tunnels.count }

    /// Takes a slot for a client that may open a tunnel.
    func takeSlot() -> (index: Int, generation: UInt32) { table.tunnels.claim() }

    /// Frees the slot of a client that has left or has moved.
    func freeSlot(_ index: Int) { table.tunnels.remove(index: index) }

    /// A connection that becomes a tunnel.
    struct Opening {
        /// Names its client's slot.
        let token: Token
        let client: ConnectedSocket
        let upstream: ConnectedSocket
        let lease: Lease
        let admission: Admission
        /// Client address from a PROXY header. nil: the peer address applies.
        let announcedClient: String?
        let isUncounted: Bool
        /// The generation of the backend has ended. Its last bytes are still relayed.
        let backendIsGone: Bool
    }

    /// Opens a tunnel at its client's slot.
    func open(_ opening: Opening, _ bytes: TunnelBytes, extensionsNegotiated: Bool) {
        var tunnel = Tunnel(
            client: opening.client, upstream: opening.upstream, lease: opening.lease, admission: opening.admission)
        tunnel.isUncounted = opening.isUncounted
        tunnel.backendIsGone = opening.backendIsGone
        table.open(
            tunnel, at: opening.token, bytes, extensionsNegotiated: extensionsNegotiated,
            limits: services[opening.lease.backend.index].limits)
        note(opening.announcedClient, of: opening.token.index)
    }

    // MARK: Events

    /// Relays consecutive tunnel events. Returns the first event of a connection without a tunnel; nil if the next
    /// event is not of a connection or none is left.
    func relayRun(_ position: inout Int, of count: Int) -> ReadinessEvent? {
        while let (event, outcome) = table.relayRun(&position, of: count, through: kernel) {
            guard follow(outcome, event.token.index) else { return event }
        }
        return nil
    }

    /// Handles one event. Returns false if there is no tunnel at its slot.
    func ready(_ token: Token, _ readiness: Readiness) -> Bool {
        follow(table.take(readiness, for: token, through: kernel), token.index)
    }

    private func follow(_ outcome: TunnelEventOutcome, _ index: Int) -> Bool {
        switch outcome {
        case .noTunnel: return false
        case .stale: break
        case .relayed(let outcome): ended(outcome, of: index)
        }
        return true
    }

    func relay(_ index: Int) {
        ended(table.relayOnce(of: index, through: kernel), of: index)
    }

    private func ended(_ outcome: TunnelOutcome, of index: Int) {
        if outcome.sawClientData { recordClientData(index) }
        if outcome.needsAttention { attend(to: index, after: outcome) }
        if outcome.sentClose { releaseBackend(of: index) }
        switch outcome.progress {
        case .rest: break
        case .more: reactor.resumeLater(table.token(of: index))
        case .over(let termination): close(index, termination)
        }
    }

    private func recordClientData(_ index: Int) {
        guard let lease = table.tunnels.peek(at: index, for: { $0.heldLease }) else { return }
        services[lease.backend.index].gate.recordClientData(at: kernel.now())
    }

    /// Handles a turn that needs attention.
    private func attend(to index: Int, after outcome: TunnelOutcome) {
        let (hasViolation, isPaused) = table.tunnels.peek(at: index) { ($0.protocolViolation != nil, $0.up.isPaused) }
        if hasViolation { logViolation(of: index) }
        if outcome.backendBroke { logBackendEnd(of: index) }
        if isPaused { armRateLimit(of: index) }
        armDeadline(of: index)
    }

    // MARK: The end

    /// Closes the upstream and ends the use of the backend. The close handshake with the client goes on.
    private func releaseBackend(of index: Int) {
        let (upstream, lease, isUncounted) = table.tunnels.peek(at: index) {
            ($0.upstream.descriptor, $0.heldLease, $0.isUncounted)
        }
        guard let lease else { return }
        kernel.close(upstream)
        table.tunnels[index].upstream = .none
        table.tunnels[index].isReleased = true
        owner?.leaseEnded(lease, isUncounted)
    }

    /// Ends a tunnel. This is the only place where its sockets, lease and timers are released.
    func close(_ index: Int, _ termination: TerminationReason) {
        let token = table.token(of: index)
        let tunnel = table.tunnels.remove(index: index)
        reactor.disarm(.connection(token))
        if tunnel.rateLimiter != nil { reactor.disarm(.rateLimiter(token)) }
        if let lease = tunnel.heldLease {
            logEnd(of: tunnel, at: index, termination)
            log.record(
                .tunnelClosed,
                [
                    LogField("service", services[lease.backend.index].name),
                    LogField("reason", termination.rawValue),
                ])
        }
        note(nil, of: index)
        if termination.isAbrupt {
            kernel.reset(tunnel.client.descriptor)
        } else {
            kernel.close(tunnel.client.descriptor)
        }
        if let lease = tunnel.heldLease {
            kernel.close(tunnel.upstream.descriptor)
            owner?.tunnelClosed(tunnel.admission)
            owner?.leaseEnded(lease, tunnel.isUncounted)
        } else {
            owner?.tunnelClosed(tunnel.admission)
        }
        guard count == 0 else { return }
        trimBuffers()
        owner?.lastSlotFreed()
    }

    /// Frees the large read buffer.
    func trimBuffers() { table.buffers.trim() }

    // MARK: To and from other threads

    /// Takes a tunnel away, for another thread. nil: it has no backend any more.
    func handOver(_ index: Int) -> TunnelTransfer? {
        guard table.tunnels.peek(at: index, for: { $0.heldLease }) != nil else { return nil }
        let transfer = TunnelTransfer(
            tunnel: table.tunnels.remove(index: index), announcedClient: announcedClient(of: index))
        note(nil, of: index)
        kernel.unwatch(transfer.tunnel.client.descriptor)
        kernel.unwatch(transfer.tunnel.upstream.descriptor)
        return transfer
    }

    /// Takes over a tunnel. Its readiness comes along, and watching the sockets reports the current readiness.
    func takeOver(_ transfer: TunnelTransfer) {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        let slot = table.tunnels.insert(transfer.tunnel)
        table.tunnels[slot.index].generation = slot.generation
        table.tunnels[slot.index].upstream.number = lastUpstreamNumber
        note(transfer.announcedClient, of: slot.index)
        do throws(SystemError) {
            try kernel.watch(transfer.tunnel.client.descriptor, for: .edges, as: table.token(of: slot.index))
            let token = Token(ConnectionToken.upstream, index: slot.index, generation: lastUpstreamNumber)
            try kernel.watch(transfer.tunnel.upstream.descriptor, for: .edges, as: token)
            relay(slot.index)
        } catch {
            log(.systemError, LogField("detail", error.description))
            close(slot.index, .clientReset)
        }
    }

    // MARK: Announced clients

    /// The client's address from a PROXY header. nil: the peer address applies.
    func announcedClient(of index: Int) -> String? {
        announcedClients.indices.contains(index) ? announcedClients[index] : nil
    }

    /// Stored outside the tunnels, so that it costs no memory without PROXY headers.
    private func note(_ announcedClient: String?, of index: Int) {
        guard announcedClient != nil || index < announcedClients.count else { return }
        while announcedClients.count <= index { announcedClients.append(nil) }
        announcedClients[index] = announcedClient
        if count == 0 { announcedClients = [] }
    }
}

/// What a relay reports to its owner: the proxy, or the worker that reports it to the proxy.
///
/// Closures instead of a protocol: the compiler specialises them for the kernel, and they run for every tunnel.
struct TunnelOwner {
    /// A tunnel has ended its use of a backend.
    let leaseEnded: (Lease, _ wasUncounted: Bool) -> Void
    /// A tunnel is closed; `leaseEnded` follows if it still had its lease.
    let tunnelClosed: (Admission) -> Void
    /// After the end of a tunnel no connection is left.
    let lastSlotFreed: () -> Void
}

/// A service as its tunnels see it.
struct TunnelService {
    let name: String
    let gate: BackendGate
    var limits: ServiceLimits
    /// Budget of log lines about connections that the daemon closes.
    var aborts = LineBudget()
}
