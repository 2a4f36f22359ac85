/// The deadlines of conversations: one timer each, armed for what is being waited for.
extension Proxy {
    /// `client` is what the client's socket allows.
    func armDeadline(of index: Int, _ conversation: Link.Conversation, client: Readiness) {
        let wanted = conversation.wanted(client: client)
        guard wanted != conversation.armed else { return }
        conversation.armed = wanted
        if let wanted {
            let limit = conversation.limit(of: wanted.deadline)
            reactor.arm(.conversation(clientToken(index)), at: kernel.now() + limit)
        } else {
            reactor.disarm(.conversation(clientToken(index)))
        }
    }

    func deadlineFired(_ token: Token) {
        guard links.contains(index: token.index, generation: token.generation) else { return }
        guard let conversation = links[token.index].conversation else { return tunnelTimerFired(token.index) }
        guard let armed = conversation.armed else { return }
        conversation.armed = nil
        let undelivered =
            armed.deadline == .departure ? kernel.undeliveredBytes(to: links[token.index].client.descriptor) : 0
        conversation.machine.deadlineFired(armed.deadline, undelivered: undelivered)
        drive(token.index)
    }
}
