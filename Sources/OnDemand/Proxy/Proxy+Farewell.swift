/// Ending tunnels politely: a close frame at a frame boundary, and not all clients at the same moment.
extension Proxy {
    /// Who is told that the daemon, or this generation of a backend, goes away; `window` spreads it, so that the
    /// clients do not all come back at once.
    func takeLeave(of lease: Link.Lease?, _ code: CloseCode, over window: Duration) {
        tellCarriers(.takeLeave(lease, code, over: window))
        for index in links.indices where links[index].conversation == nil && links[index].farewell == .none {
            guard lease == nil || links[index].lease == lease else { continue }
            let delay = window * (Double(kernel.random() >> 11) * 0x1p-53)
            guard delay > .zero else {
                takeLeave(of: index, code)
                continue
            }
            links[index].farewell = .planned(code)
            reactor.arm(.conversation(clientToken(index)), at: kernel.now() + delay)
        }
    }

    func takeLeave(of index: Int, _ code: CloseCode) {
        links[index].takeLeave(code)
        armFarewell(of: index)
        relay(index)
    }

    func armFarewell(of index: Int) {
        links[index].stalledAt = nil
        reactor.arm(.conversation(clientToken(index)), at: kernel.now() + Limits.closeTimeout)
    }

    /// Either it is time to say goodbye, or it was said and not answered, or could not be said in time.
    func farewellDue(_ index: Int) {
        if case .planned(let code) = links[index].farewell {
            takeLeave(of: index, code)
        } else {
            close(index, .farewell)
        }
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
