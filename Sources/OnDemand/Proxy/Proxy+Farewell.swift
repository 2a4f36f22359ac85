/// Ending tunnels politely: a close frame at a frame boundary, and not all clients at the same moment.
extension Proxy {
    /// Who is told that the daemon, or this generation of a backend, goes away; `window` spreads it, so that the
    /// clients do not all come back at once.
    func takeLeave(of lease: Link.Lease?, _ code: CloseCode, over window: Duration) {
        tellCarriers(.takeLeave(lease, code, over: window))
        // Clients of failed connections have been told already, and a daemon that leaves waits for none of them.
        if lease == nil, reporting != nil {
            for index in links.indices where links[index].isDiscarding { close(index, .farewell) }
        }
        for index in links.indices where links[index].conversation == nil && links[index].farewell == .none {
            guard lease == nil || links[index].lease == lease else { continue }
            let delay = window * (Double(kernel.random() >> 11) * 0x1p-53)
            guard delay > .zero else {
                takeLeave(of: index, code)
                continue
            }
            links[index].farewell = .planned(code)
            links[index].armed = .leave
            reactor.arm(.conversation(clientToken(index)), at: kernel.now() + delay)
        }
    }

    func takeLeave(of index: Int, _ code: CloseCode) {
        links[index].takeLeave(code)
        relay(index)
    }
}

extension CloseCode {
    /// To a client, 1012 and 1013 differ in whether it is worth trying at once (RFC 6455, 11.7).
    init(_ reason: LeaveReason) {
        self =
            switch reason {
            case .goingAway: .goingAway
            case .restarts: .serviceRestart
            case .staysAway: .tryAgainLater
            }
    }
}
