/// The limits of open tunnels: frames that break the rules, clients that send too fast or read too slowly.
extension Proxy {
    /// After a turn in which something rare happened.
    func attend(to index: Int, beganFarewell: Bool) {
        noteOffence(of: index)
        if beganFarewell { armFarewell(of: index) }
        if links[index].up.isHeldBack { armPace(of: index) }
        watchForStall(index)
    }

    /// The link has begun its goodbye already; here it is told to whoever looks for the reason.
    private func noteOffence(of index: Int) {
        guard let offence = links[index].offence, let lease = links[index].lease else { return }
        let isAboutBackend = offence.side == .upstream
        let code = isAboutBackend ? CloseCode.internalError : offence.violation.closeCode
        log.record(
            isAboutBackend ? .upstreamTrouble : .badRequest,
            [
                LogField("service", upstreams[lease.backend.index].name), LogField("close_code", code.number),
                LogField("reason", offence.violation.reason),
            ])
        links[index].offence = nil
    }

    /// Bytes wait that the client does not take: it gets a moment, and another for every byte that it did take.
    private func watchForStall(_ index: Int) {
        guard !links[index].down.pending.isEmpty, links[index].stalledAt == nil, links[index].farewell == .none,
            let lease = links[index].lease
        else { return }
        links[index].stalledAt = links[index].down.moved
        let limit = upstreams[lease.backend.index].limits.stallTimeout
        reactor.arm(.conversation(clientToken(index)), at: kernel.now() + limit)
    }

    func tunnelTimerFired(_ index: Int) {
        guard let mark = links[index].stalledAt, links[index].farewell == .none else { return farewellDue(index) }
        links[index].stalledAt = nil
        if !links[index].down.pending.isEmpty, links[index].down.moved == mark { return close(index, .stalled) }
        watchForStall(index)
    }

    /// Until it may send again nothing is read from it, and its own socket holds it back.
    private func armPace(of index: Int) {
        guard let moment = links[index].pace?.next(after: kernel.now()) else { return paceIsOver(index) }
        reactor.arm(.pace(clientToken(index)), at: moment)
    }

    func paceTimerFired(_ token: Token) {
        guard links.contains(index: token.index, generation: token.generation) else { return }
        paceIsOver(token.index)
    }

    private func paceIsOver(_ index: Int) {
        links[index].up.isHeldBack = false
        reactor.resumeLater(clientToken(index))
    }
}
