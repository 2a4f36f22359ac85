/// What every message of every tunnel touches, in one value: one check of exclusive access covers all of it.
struct Switchboard {
    var links = Slab(vacant: Link.vacant)
    /// By the index of the service.
    var traffic: [Traffic]
    var scratch = Scratch()

    /// Carries what events in a row have to carry, up to one that says more than that messages have passed: what that
    /// one came to, and whose it was. nil where the next event is of no connection, or there is none.
    ///
    /// One call for all of them: so the check of exclusive access is one, too.
    mutating func carry(
        _ position: inout Int, of count: Int, through kernel: some Kernel
    ) -> (token: Token, news: Link.News)? {
        while position < count {
            let event = kernel.event(at: position)
            guard event.token.isOfConnection else { return nil }
            position += 1
            let news = take(event.readiness, for: event.token, through: kernel)
            if case .relayed(let turn) = news, turn.isUneventful { continue }
            return (event.token, news)
        }
        return nil
    }

    /// What an event of a connection's socket comes to.
    mutating func take(_ readiness: Readiness, for token: Token, through kernel: some Kernel) -> Link.News {
        guard links.isTaken(token.index) else { return .stale }
        return links[token.index].take(readiness, for: token, through: kernel, scratch: &scratch, traffic: &traffic)
    }

    func conversation(of index: Int) -> Link.Conversation? { links.look(at: index) { $0.conversation } }

    /// What the sockets of a link allow; nothing where there is no backend.
    func readiness(of index: Int) -> (client: Readiness, upstream: Readiness) {
        links.look(at: index) { ($0.client.readiness, $0.upstream?.readiness ?? []) }
    }

    mutating func turn(of index: Int, through kernel: some Kernel) -> Link.Turn {
        links[index].turn(through: kernel, scratch: &scratch, traffic: &traffic)
    }

    /// The deadline that a tunnel's timer is to be armed for, and the tunnel's token.
    mutating func deadlineToArm(of index: Int) -> (deadline: Link.Deadline, token: Token)? {
        guard let deadline = links[index].deadlineToArm() else { return nil }
        return (deadline, Token(.client, index: index, generation: links.look(at: index) { $0.generation }))
    }

    mutating func openTunnel(
        of index: Int, _ bytes: ExchangeMachine.TunnelBytes, extensionsNegotiated: Bool, to service: Int,
        limits: ServiceLimits
    ) {
        links[index].openTunnel(
            bytes, extensionsNegotiated: extensionsNegotiated, limits: limits, &traffic[service])
    }
}

extension Proxy {
    var links: Slab<Link> {
        _read { yield board.links }
        _modify { yield &board.links }
    }

    var traffic: [Traffic] {
        _read { yield board.traffic }
        _modify { yield &board.traffic }
    }

    var scratch: [UInt8] {
        _read { yield board.scratch.ordinary }
        _modify { yield &board.scratch.ordinary }
    }
}
