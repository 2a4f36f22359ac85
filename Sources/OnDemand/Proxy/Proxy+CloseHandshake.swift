/// Ending tunnels politely: a close frame at a frame boundary, and not all clients at the same moment.
extension Proxy {
    /// Who is told that the daemon, or this generation of a backend, goes away; `window` spreads it, so that the
    /// clients do not all come back at once.
    func closeTunnels(of lease: Connection.Lease?, _ code: CloseCode, over window: Duration) {
        sendToWorkers(.closeTunnels(lease, code, over: window))
        // Clients of failed connections have been told already, and a daemon that leaves waits for none of them.
        if lease == nil, reporting != nil {
            for index in connections.indices where connections[index].isDiscarding { close(index, .closeHandshake) }
        }
        for index in connections.indices
        where connections[index].session == nil && connections[index].closeHandshake == .none {
            guard lease == nil || connections[index].lease == lease else { continue }
            let delay = window * (Double(kernel.random() >> 11) * 0x1p-53)
            guard delay > .zero else {
                closeTunnels(of: index, code)
                continue
            }
            connections[index].closeHandshake = .planned(code)
            connections[index].armed = .leave
            reactor.arm(.connection(clientToken(index)), at: kernel.now() + delay)
        }
    }

    func closeTunnels(of index: Int, _ code: CloseCode) {
        connections[index].closeTunnels(code)
        relay(index)
    }
}

extension CloseCode {
    /// To a client, 1012 and 1013 differ in whether it is worth trying at once (RFC 6455, 11.7).
    init(_ reason: CloseReason) {
        self =
            switch reason {
            case .goingAway: .goingAway
            case .restarts: .serviceRestart
            case .staysAway: .tryAgainLater
            }
    }
}
