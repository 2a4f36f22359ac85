/// A service as the proxy sees it: where its backend is, and what is counted for it.
struct ProxyService {
    let name: String
    private(set) var address: SocketAddress
    let gate: BackendGate
    private(set) var idleWhen: IdleWhen
    var limits: ServiceLimits
    /// Queued requests.
    var queued = 0
    /// Address and idle rule of later generations. nil: unchanged.
    private var next: Move?
    /// Generation of an unmanaged service: counts how often it was enabled.
    private(set) var unmanagedGeneration = Generation(number: 0)
    /// The generation whose first request is logged. nil: none.
    private var firstRequestSeen: Generation?
    /// The generation that has sent a response. nil: none.
    var proven: Generation?
    /// Tunnels that do not keep the current generation awake.
    var uncounted = 0
    /// Tunnels on workers, of any generation.
    var onWorkers = 0
    /// The generation whose tunnels are closing, and the close code. It admits no new requests. nil: none.
    var closing: (generation: Generation, code: CloseCode)?
    /// Admission results.
    var admissions = AdmissionCounters()
    /// Connection counts over time.
    var connections = ConnectionHistory()

    init(
        name: String, address: SocketAddress, gate: BackendGate, idleWhen: IdleWhen = .noConnections,
        limits: ServiceLimits = ServiceLimits()
    ) {
        (self.name, self.address, self.gate) = (name, address, gate)
        (self.idleWhen, self.limits) = (idleWhen, limits)
    }

    /// Address of the current generation. Inlined because a call would copy the whole value.
    @inline(__always)
    var currentAddress: SocketAddress { gate.port == 0 ? address : address.with(port: gate.port) }

    /// Requests and tunnels in progress, including uncounted tunnels. Inlined for the same reason.
    @inline(__always)
    var openCount: Int { gate.leases + uncounted }

    /// What relays know of it.
    var ofTunnels: TunnelService { TunnelService(name: name, gate: gate, limits: limits) }

    // MARK: Counts

    mutating func recordCount(at seconds: Int64) { connections.connected(openCount, at: seconds) }

    /// Counts an admitted request. Returns whether it is the first of its generation.
    mutating func admitted(to generation: Generation, at seconds: Int64) -> Bool {
        move(to: generation)
        recordCount(at: seconds)
        guard firstRequestSeen != generation else { return false }
        firstRequestSeen = generation
        return true
    }

    // MARK: The address

    /// Address and idle rule of the generations after `after`.
    private struct Move {
        let after: Generation
        let address: SocketAddress
        let idleWhen: IdleWhen
    }

    /// Applies a pending move when the first request of a later generation is admitted.
    @inline(__always)
    mutating func move(to generation: Generation) {
        if let next, generation > next.after { apply(next) }
    }

    private mutating func apply(_ move: Move) {
        (address, idleWhen) = (move.address, move.idleWhen)
        next = nil
    }

    /// Changes address and idle rule: at once, or after a generation.
    mutating func redirect(to address: SocketAddress, idleWhen: IdleWhen, after generation: Generation?) {
        if let generation {
            // The current generation may have begun after an earlier change, before any request was admitted to it.
            move(to: generation)
            next = Move(after: generation, address: address, idleWhen: idleWhen)
        } else {
            next = nil
            (self.address, self.idleWhen) = (address, idleWhen)
        }
    }

    // MARK: Unmanaged services

    /// Opens the gate. It stays open while the service is configured and enabled.
    mutating func openUnmanaged() {
        unmanagedGeneration = unmanagedGeneration.next
        gate.open(unmanagedGeneration, leases: 0)
    }

    /// Closes the gate and returns the lease of the generation that ends, as for a stopped backend.
    mutating func closeUnmanaged() -> Generation {
        gate.close()
        closing = (unmanagedGeneration, .goingAway)
        return unmanagedGeneration
    }
}
