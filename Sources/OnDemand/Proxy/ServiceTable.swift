/// The services of the proxy: their gates and addresses, and the leases, requests and tunnels that each of them has.
///
/// - A request enters the gate (`enterGate`); without a lease it is queued.
/// - The end of a use (`endUse`) returns the lease. The last lease of an open gate, and the last connection of a
///   closing generation, are reported to the supervisor.
/// - A reload adds a service, or changes one: its address from the next generation on, its limits at once.
///
/// Invariants: a `BackendID` is the index of its service. It is given to another service only when no connection refers
/// to the earlier one, and the counters then begin at zero.
final class ServiceTable<K: Kernel> {
    private var services: [ProxyService]
    private let kernel: K
    private let requests: Mailbox<BackendRequest>
    private let subscribers: SubscriberTable<K>

    init(
        _ services: [ProxyService], kernel: K, requests: Mailbox<BackendRequest>, subscribers: SubscriberTable<K>
    ) {
        self.services = services
        self.kernel = kernel
        self.requests = requests
        self.subscribers = subscribers
    }

    // MARK: Leases

    /// The answer of a gate, and of the limit of connections.
    enum Entrance {
        case open(Generation)
        case closed
        case full(limit: Int)
    }

    func enterGate(of id: BackendID) -> Entrance {
        if let limit = services[id.index].limits.maximumConnections,
            services[id.index].openCount + services[id.index].queued >= limit
        {
            return .full(limit: limit)
        }
        guard let generation = services[id.index].gate.enter() else { return .closed }
        return .open(generation)
    }

    /// Counts a request that was admitted. Returns whether it is the first of its generation.
    func admitted(to id: BackendID, _ generation: Generation) -> Bool {
        subscribers.statusChanged()
        return services[id.index].admitted(to: generation, at: kernel.wallClock().seconds)
    }

    func returnLease(_ lease: Lease) {
        let gate = services[lease.backend.index].gate
        if gate.leave(lease.generation) {
            if gate.isOpen {
                requests.post(.lastLeaseReturned(lease.backend, lease.generation))
            } else {
                reportDrained(from: lease)
            }
        }
        countChanged(of: lease.backend)
    }

    /// A request, a tunnel or a cable session has ended its use of a backend. An uncounted one has returned its lease
    /// before.
    func endUse(of lease: Lease, wasUncounted: Bool) {
        guard wasUncounted else { return returnLease(lease) }
        services[lease.backend.index].uncounted -= 1
        reportDrained(from: lease)
        countChanged(of: lease.backend)
    }

    /// A connection does not keep its backend awake any more.
    func becameUncounted(_ lease: Lease) {
        services[lease.backend.index].uncounted += 1
        returnLease(lease)
    }

    /// It keeps the backend awake again; its lease was taken at the gate.
    func becameCounted(_ id: BackendID) {
        services[id.index].uncounted -= 1
        recordCount(of: id)
    }

    private func countChanged(of id: BackendID) {
        recordCount(of: id)
        subscribers.statusChanged()
    }

    private func recordCount(of id: BackendID) {
        services[id.index].recordCount(at: kernel.wallClock().seconds)
    }

    // MARK: Closing generations

    /// The tunnels of this generation get close frames.
    func beginClosing(_ lease: Lease, _ code: CloseCode) {
        services[lease.backend.index].closing = (lease.generation, code)
    }

    /// The close code for a tunnel that opens after the close frames were sent. nil: it may open.
    func closeCode(for lease: Lease) -> CloseCode? {
        guard let closing = services[lease.backend.index].closing, closing.generation == lease.generation else {
            return nil
        }
        return closing.code
    }

    /// Reports that the last tunnel of a closing generation has ended.
    func reportDrained(from lease: Lease) {
        guard services[lease.backend.index].closing?.generation == lease.generation,
            services[lease.backend.index].openCount == 0
        else { return }
        requests.post(.tunnelsDrained(lease.backend, lease.generation))
    }

    // MARK: Requests

    /// A request waits for a start; `isNew`: for the first time.
    func queued(at id: BackendID, isNew: Bool) {
        services[id.index].queued += 1
        if isNew { services[id.index].admissions.queued += 1 }
    }

    func unqueued(from id: BackendID) { services[id.index].queued -= 1 }

    func refused(by id: BackendID, _ reason: Refusal.Reason) { services[id.index].admissions.refused[reason] += 1 }

    /// Whether this generation of the backend has sent a response. An unmanaged one need not.
    func isProven(_ lease: Lease) -> Bool {
        services[lease.backend.index].proven == lease.generation || isUnmanaged(lease)
    }

    func proved(_ lease: Lease) { services[lease.backend.index].proven = lease.generation }

    func isUnmanaged(_ lease: Lease) -> Bool {
        services[lease.backend.index].unmanagedGeneration == lease.generation
    }

    // MARK: Looks

    func name(of id: BackendID) -> String { services[id.index].name }

    func isOpen(_ id: BackendID) -> Bool { services[id.index].gate.isOpen }

    func openCount(of id: BackendID) -> Int { services[id.index].openCount }

    @inline(__always)
    func currentAddress(of id: BackendID) -> SocketAddress { services[id.index].currentAddress }

    /// Whether a tunnel is uncounted: a backend that is idle without client data gets the lease back.
    func countsOnlyData(of id: BackendID) -> Bool { services[id.index].idleWhen == .noClientData }

    func connectionHistory(of id: BackendID) -> ConnectionHistory { services[id.index].connections }

    func ofTunnels(_ id: BackendID) -> TunnelService { services[id.index].ofTunnels }

    /// Fills in the values that only the proxy knows.
    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        service.open = services[id.index].openCount
        service.queuedRequestsTotal = services[id.index].admissions.queued
        service.refused = services[id.index].admissions.refused.all
    }

    /// A look at all services, for judging invariants.
    var all: [ProxyService] { services }

    // MARK: Tunnels on workers

    func movedToWorker(_ id: BackendID) { services[id.index].onWorkers += 1 }

    func endedOnWorker(_ id: BackendID) { services[id.index].onWorkers -= 1 }

    /// Tunnels on workers by service index.
    var onWorkers: [Int] { services.map(\.onWorkers) }

    // MARK: Reload

    /// Adds a service. Takes an index from `empty` that no connection refers to, otherwise a new one.
    func register(
        _ service: ProxyService, atBestIn empty: inout [BackendID], where isUnused: (BackendID) -> Bool
    ) -> BackendID {
        guard
            let position = empty.firstIndex(where: {
                services.indices.contains($0.index) && services[$0.index].onWorkers == 0 && isUnused($0)
            })
        else {
            services.append(service)
            return BackendID(index: services.count - 1)
        }
        let id = empty.remove(at: position)
        services[id.index] = service
        return id
    }

    /// Copies the counters of a removed service to the service of the same name that replaces it.
    func inheritCounts(_ id: BackendID, from namesake: BackendID) {
        services[id.index].admissions = services[namesake.index].admissions
        services[id.index].connections = services[namesake.index].connections
    }

    /// Of an earlier daemon.
    func restore(_ history: ConnectionHistory, of id: BackendID) { services[id.index].connections = history }

    /// Returns whether the address changes at once: idle upstreams lead to the earlier one.
    func redirect(
        _ id: BackendID, to address: SocketAddress, idleWhen: IdleWhen, after generation: Generation?
    ) -> Bool {
        let isMoved = generation == nil && services[id.index].address != address
        services[id.index].redirect(to: address, idleWhen: idleWhen, after: generation)
        return isMoved
    }

    /// Applies to new tunnels. `send_timeout` applies to open tunnels as well.
    func update(_ limits: ServiceLimits, of id: BackendID) { services[id.index].limits = limits }

    func openUnmanaged(_ id: BackendID) { services[id.index].openUnmanaged() }

    /// Closes the gate of an unmanaged service. Returns the lease of the generation that ends.
    func closeUnmanaged(_ id: BackendID) -> Lease {
        Lease(backend: id, generation: services[id.index].closeUnmanaged())
    }

    /// The generation of an unmanaged service that is enabled; nil: it is disabled or removed.
    func openUnmanagedGeneration(of id: BackendID) -> Generation? {
        services[id.index].gate.isOpen ? services[id.index].unmanagedGeneration : nil
    }
}

extension ServiceTable: BackendAccess {
    func gate(of backend: BackendID) -> BackendGate { services[backend.index].gate }

    func address(of backend: BackendID, _ generation: Generation) -> SocketAddress {
        services[backend.index].move(to: generation)
        return services[backend.index].currentAddress
    }
}
