/// Ends tunnels with a close frame at a frame boundary, spread over time.
extension Proxy {
    /// Sends close frames to all tunnels, or to those of one generation, at random times within `window`. This spreads
    /// the clients' reconnects.
    func closeTunnels(of lease: Connection.Lease?, _ code: CloseCode, over window: Duration) {
        sendToWorkers(.closeTunnels(lease, code, over: window))
        // These clients already have their close frame. A shutdown does not wait for their end.
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
            connections[index].closeHandshake = .scheduled(code)
            connections[index].armed = .closeDelay
            reactor.arm(.connection(clientToken(index)), at: kernel.now() + delay)
        }
    }

    func closeTunnels(of index: Int, _ code: CloseCode) {
        connections[index].closeTunnels(code)
        relay(index)
    }
}

extension CloseCode {
    /// 1012 and 1013 tell the client whether an immediate reconnect is useful (RFC 6455, 11.7).
    init(_ reason: CloseReason) {
        self =
            switch reason {
            case .goingAway: .goingAway
            case .restarts: .serviceRestart
            case .staysAway: .tryAgainLater
            }
    }
}
