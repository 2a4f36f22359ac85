/// State that every tunnel message uses, in one value: one exclusivity check covers all of it.
struct ConnectionTable {
    var connections = Slab(empty: Connection.empty)
    /// By service index.
    var traffic: [Traffic]
    var buffers = ReadBuffers()

    /// Relays consecutive connection events until one needs the proxy's attention. Returns that event and its outcome,
    /// or nil if the next event is not a connection event or none is left.
    ///
    /// One call for all events means one exclusivity check.
    mutating func relayRun(
        _ position: inout Int, of count: Int, through kernel: some Kernel
    ) -> (token: Token, outcome: Connection.EventOutcome)? {
        while position < count {
            let event = kernel.event(at: position)
            guard event.token.owner == .connections else { return nil }
            position += 1
            let outcome = take(event.readiness, for: event.token, through: kernel)
            if case .relayed(let outcome) = outcome, outcome.isUneventful { continue }
            return (event.token, outcome)
        }
        return nil
    }

    /// Handles a socket event of a connection.
    mutating func take(_ readiness: Readiness, for token: Token, through kernel: some Kernel) -> Connection.EventOutcome
    {
        guard connections.isTaken(token.index) else { return .stale }
        return connections[token.index].take(
            readiness, for: token, through: kernel, buffers: &buffers, traffic: &traffic)
    }

    func session(of index: Int) -> Connection.HTTPSession? { connections.peek(at: index) { $0.session } }

    /// Readiness of the connection's sockets. Empty for a missing upstream.
    func readiness(of index: Int) -> (client: Readiness, upstream: Readiness) {
        connections.peek(at: index) { ($0.client.readiness, $0.upstream?.readiness ?? []) }
    }

    mutating func relayOnce(of index: Int, through kernel: some Kernel) -> Connection.RelayOutcome {
        connections[index].relayOnce(through: kernel, buffers: &buffers, traffic: &traffic)
    }

    /// Returns the deadline to arm the tunnel's timer for, with the tunnel's token.
    mutating func deadlineToArm(of index: Int) -> (deadline: Connection.Deadline, token: Token)? {
        guard let deadline = connections[index].deadlineToArm() else { return nil }
        return (
            deadline,
            Token(ConnectionToken.client, index: index, generation: connections.peek(at: index) { $0.generation })
        )
    }

    mutating func openTunnel(
        of index: Int, _ bytes: TunnelBytes, extensionsNegotiated: Bool, to service: Int,
        limits: ServiceLimits
    ) {
        connections[index].openTunnel(
            bytes, extensionsNegotiated: extensionsNegotiated, limits: limits, &traffic[service])
    }
}

extension Proxy {
    var connections: Slab<Connection> {
        _read { yield table.connections }
        _modify { yield &table.connections }
    }

    var traffic: [Traffic] {
        _read { yield table.traffic }
        _modify { yield &table.traffic }
    }

    var buffers: [UInt8] {
        _read { yield table.buffers.ordinary }
        _modify { yield &table.buffers.ordinary }
    }
}
