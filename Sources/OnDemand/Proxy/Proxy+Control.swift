/// An operator asks, on the control socket or the status listener, and only what is ordered wakes anything.
extension Proxy {
    func control(_ index: Int, _ conversation: Link.Conversation) {
        do throws(ControlObjection) {
            let place = conversation.purpose == .control ? ControlQuestion.Place.control : .status
            let question = try ControlQuestion(reading: conversation.machine.request?.line ?? "", at: place)
            try answer(question, index, conversation)
        } catch {
            serve(error.response, conversation)
        }
    }

    private func answer(
        _ question: ControlQuestion, _ index: Int, _ conversation: Link.Conversation
    ) throws(ControlObjection) {
        switch question {
        case .status(.json):
            serve(.snapshot, index, conversation)
        case .status(let form):
            let table = StatusTable.text(of: status.snapshot(), paint: form == .coloured ? .colours : .plain)
            serve(CannedResponse(status: 200, body: table), conversation)
        case .order(let order, let name, let waits):
            let id = try backend(named: name)
            let ticket = issueTicket(for: id, index, conversation)
            conversation.machine.ordered()
            requests.post(.ordered(id, order, ticket, waits: waits))
        case .reload:
            serve(CannedResponse(controlled.reload()), conversation)
        case .logs(let name, let lines, let follows):
            let id = try backend(named: name)
            let text = controlled.lastOutput(of: id).suffix(lines).joined()
            guard follows else { return serve(CannedResponse(status: 200, body: text), conversation) }
            conversation.machine.servedStream(CannedResponse.lineStreamHead + Array(text.utf8))
            followers.append(Follower(token: clientToken(index), backend: id))
        }
    }

    private func backend(named name: String) throws(ControlObjection) -> BackendID {
        if let id = controlled.backend(named: name) { return id }
        let names = controlled.serviceNames
        throw names.contains(name) ? .cannotBeRun(name) : .unknown(name, known: names)
    }

    func serve(_ response: CannedResponse, _ conversation: Link.Conversation) {
        let headOnly = conversation.machine.request?.isHead ?? false
        conversation.machine.served(
            response.rendered(keepAlive: conversation.machine.staysOpen, headOnly: headOnly))
    }

    /// Who follows and does not keep up is let go: a daemon waits for no reader.
    func pass(_ line: String, of id: BackendID) {
        for follower in followers where follower.backend == id {
            let index = follower.token.index
            guard let conversation = links[index].conversation else { continue }
            if conversation.machine.push(Array(line.utf8)) { drive(index) } else { close(index, .stalled) }
        }
    }
}

extension Proxy {
    /// It prints nothing any more, and its number may be somebody else's next.
    func endFollowing(_ id: BackendID) {
        for follower in followers where follower.backend == id { close(follower.token.index, .done) }
    }
}

/// Somebody who is shown what a backend prints.
struct Follower {
    let token: Token
    let backend: BackendID
}
