/// State that every tunnel message uses, in one value: one exclusivity check covers all of it.
struct TunnelTable {
    /// Slots of connections. One is taken when a client connects, because tokens name it, and holds a tunnel from the
    /// upgrade on.
    var tunnels = Slab(empty: Tunnel.vacant)
    /// By service index.
    var traffic: [Traffic]
    var buffers = ReadBuffers()

    /// Relays consecutive tunnel events until one needs attention. Returns that event and its outcome, or nil if the
    /// next event is not of a connection or none is left.
    ///
    /// One call for all events means one exclusivity check.
    mutating func relayRun(
        _ position: inout Int, of count: Int, through kernel: some Kernel
    ) -> (event: ReadinessEvent, outcome: TunnelEventOutcome)? {
        while position < count {
            let event = kernel.event(at: position)
            guard event.token.owner == .connections else { return nil }
            position += 1
            let outcome = take(event.readiness, for: event.token, through: kernel)
            if case .relayed(let outcome) = outcome, outcome.isUneventful { continue }
            return (event, outcome)
        }
        return nil
    }

    /// Handles a socket event of a connection.
    mutating func take(_ readiness: Readiness, for token: Token, through kernel: some Kernel) -> TunnelEventOutcome {
        guard tunnels.isTaken(token.index) else { return .stale }
        return tunnels[token.index].take(
            readiness, for: token, through: kernel, buffers: &buffers, traffic: &traffic)
    }

    mutating func relayOnce(of index: Int, through kernel: some Kernel) -> TunnelOutcome {
        tunnels[index].relayOnce(through: kernel, buffers: &buffers, traffic: &traffic)
    }

    /// Returns the deadline to arm the tunnel's timer for, with the tunnel's token.
    mutating func deadlineToArm(of index: Int) -> (deadline: Tunnel.Deadline, token: Token)? {
        guard let deadline = tunnels[index].deadlineToArm() else { return nil }
        return (deadline, token(of: index))
    }

    /// The token of the client's socket.
    func token(of index: Int) -> Token {
        Token(ConnectionToken.client, index: index, generation: tunnels.peek(at: index) { $0.generation })
    }

    /// The slots of open tunnels in ascending order.
    var indices: [Int] { tunnels.indices.filter { tunnels.peek(at: $0) { $0.isOpen } } }

    /// Opens a tunnel at a taken slot.
    mutating func open(
        _ tunnel: consuming Tunnel, at slot: Token, _ bytes: TunnelBytes, extensionsNegotiated: Bool,
        limits: ServiceLimits
    ) {
        let service = tunnel.lease.backend.index
        tunnel.generation = slot.generation
        tunnels[slot.index] = tunnel
        tunnels[slot.index].open(
            bytes, extensionsNegotiated: extensionsNegotiated, limits: limits, &traffic[service])
    }
}
