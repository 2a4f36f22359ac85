/// Deadlines of HTTP sessions: one timer per session, armed for the current phase.
extension Proxy {
    /// `client` is the readiness of the client's socket.
    func armDeadline(of index: Int, _ session: Connection.HTTPSession, client: Readiness) {
        let wanted = session.wanted(client: client)
        guard wanted != session.armed else { return }
        session.armed = wanted
        if let wanted {
            let limit = session.limit(of: wanted.deadline)
            reactor.arm(.connection(clientToken(index)), at: kernel.now() + limit)
        } else {
            reactor.disarm(.connection(clientToken(index)))
        }
    }

    func deadlineFired(_ token: Token) {
        guard connections.contains(index: token.index, generation: token.generation) else { return }
        guard let session = connections[token.index].session else { return tunnelTimerFired(token.index) }
        guard let armed = session.armed else { return }
        session.armed = nil
        let undelivered =
            armed.deadline == .departure
            ? kernel.undeliveredBytes(to: connections[token.index].client.descriptor) : 0
        session.machine.deadlineFired(armed.deadline, undelivered: undelivered)
        drive(token.index)
    }
}
