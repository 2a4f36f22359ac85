/// Deadlines of HTTP sessions: one timer per session, armed for the current phase.
extension Proxy {
    func armDeadline(of session: HTTPSession) {
        let wanted = session.wanted()
        guard wanted != session.armed else { return }
        session.armed = wanted
        if let wanted {
            let limit = session.limit(of: wanted.deadline)
            reactor.arm(.connection(session.token), at: kernel.now() + limit)
        } else {
            reactor.disarm(.connection(session.token))
        }
    }

    func deadlineFired(_ token: Token) {
        guard let session = session(named: token), let armed = session.armed else { return }
        session.armed = nil
        let undelivered =
            armed.deadline == .departure ? kernel.undeliveredBytes(to: session.client.descriptor) : 0
        session.machine.deadlineFired(armed.deadline, undelivered: undelivered)
        runSteps(token.index, session)
    }
}
