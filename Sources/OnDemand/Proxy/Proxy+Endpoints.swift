/// Dispatches requests for local endpoints to their drivers.
extension Proxy {
    /// Returns false if the proxy no longer owns the connection.
    func serve(_ endpoint: Endpoint, _ index: Int, _ session: HTTPSession) -> Bool {
        switch endpoint {
        case .status(.service), .control: control(session)
        case .status(let resource): serve(resource, session)
        case .cable(let id): return openCableSession(of: id, index, session)
        case .broadcast(let id):
            let body = session.machine.endpointBody
            session.machine.commandAccepted()
            cableRequests.post(.broadcast(id, body: body, requester: session.token))
            requests.post(.cableWork)
        case .command(let id):
            let body = session.machine.endpointBody
            session.machine.commandAccepted()
            post(.start(id, body: body, requester: session.token))
        case .run(let id):
            let head = session.machine.request?.parsed.head
            let run = head.flatMap { RunID($0.lastSegment) }
            session.machine.commandAccepted()
            let requester = session.token
            post(
                head?.isDelete == true
                    ? .stop(id, run, requester: requester) : .state(id, run, requester: requester))
        }
        return true
    }

    /// The response of another driver to a request that waits for it.
    func respond(_ response: LocalReply, to requester: Token) {
        guard let session = session(named: requester), session.machine.awaitsCommand else { return }
        if response.status < 300 { serve(response, session) } else { session.machine.respond(response) }
        runSteps(requester.index, session)
    }
}
