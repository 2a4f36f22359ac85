/// What every message of every tunnel touches, in one value: one check of exclusive access covers all of it.
struct ConnectionTable {
    var connections = Slab(empty: Connection.empty)
    /// By the index of the service.
    var traffic: [Traffic]
    var buffers = ReadBuffers()

    /// Carries what events in a row have to carry, up to one that says more than that messages have passed: what that
    /// one came to, and whose it was. nil where the next event is of no connection, or there is none.
    ///
    /// One call for all of them: so the check of exclusive access is one, too.
    mutating func relayRun(
        _ position: inout Int, of count: Int, through kernel: some Kernel
    ) -> (token: Token, outcome: Connection.EventOutcome)? {
        while position < count {
            let event = kernel.event(at: position)
            guard event.token.isOfConnection else { return nil }
            position += 1
            let outcome = take(event.readiness, for: event.token, through: kernel)
            if case .relayed(let outcome) = outcome, outcome.isUneventful { continue }
            return (event.token, outcome)
        }
        return nil
    }

    /// What an event of a connection's socket comes to.
    mutating func take(_ readiness: Readiness, for token: Token, through kernel: some Kernel) -> Connection.EventOutcome
    {
        guard connections.isTaken(token.index) else { return .stale }
        return connections[token.index].take(
            readiness, for: token, through: kernel, buffers: &buffers, traffic: &traffic)
    }

    func session(of index: Int) -> Connection.HTTPSession? { connections.peek(at: index) { $0.session } }

    /// What the sockets of a link allow; nothing where there is no backend.
    func readiness(of index: Int) -> (client: Readiness, upstream: Readiness) {
        connections.peek(at: index) { ($0.client.readiness, $0.upstream?.readiness ?? []) }
    }

    mutating func relayOnce(of index: Int, through kernel: some Kernel) -> Connection.RelayOutcome {
        connections[index].relayOnce(through: kernel, buffers: &buffers, traffic: &traffic)
    }

    /// The deadline that a tunnel's timer is to be armed for, and the tunnel's token.
    mutating func deadlineToArm(of index: Int) -> (deadline: Connection.Deadline, token: Token)? {
        guard let deadline = connections[index].deadlineToArm() else { return nil }
        return (deadline, Token(.client, index: index, generation: connections.peek(at: index) { $0.generation }))
    }

    mutating func openTunnel(
        of index: Int, _ bytes: ExchangeMachine.TunnelBytes, extensionsNegotiated: Bool, to service: Int,
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
