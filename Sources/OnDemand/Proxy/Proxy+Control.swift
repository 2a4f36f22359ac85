/// Requests of operators on the control socket and the status listener. Only commands can wake a backend.
extension Proxy {
    func control(_ session: HTTPSession) {
        do throws(ControlError) {
            let place = session.purpose == .control ? ControlRequest.Place.control : .status
            let request = try ControlRequest(reading: session.machine.request?.line ?? "", at: place)
            try respond(to: request, session)
        } catch {
            serve(error.response, session)
        }
    }

    private func respond(
        to request: ControlRequest, _ session: HTTPSession
    ) throws(ControlError) {
        switch request {
        case .status(.json):
            serve(.snapshot, session)
        case .status(let form):
            let table = StatusTable.text(of: status.snapshot(), paint: form == .coloured ? .colours : .plain)
            serve(LocalReply(status: 200, body: table), session)
        case .commands(.json):
            session.machine.served(
                StatusResponse.ofJSON(
                    StatusJSON.commands(of: status.snapshot()), keepAlive: session.machine.staysOpen, headOnly: false))
        case .commands(let form):
            let commands = status.snapshot().commands
            let table = CommandTable.text(of: commands, paint: form == .coloured ? .colours : .plain)
            serve(LocalReply(status: 200, body: table), session)
        case .run(let name, let parameters):
            let id = try command(named: name)
            session.machine.commandAccepted()
            post(
                .follow(id, parameters: parameters.map { ($0.name, $0.value) }, requester: session.token))
        case .runState(let name, let run):
            let id = try command(named: name)
            session.machine.commandAccepted()
            post(.state(id, RunID(run), requester: session.token))
        case .stopRun(let name, let run):
            let id = try command(named: name)
            session.machine.commandAccepted()
            post(.stop(id, RunID(run), requester: session.token))
        case .command(let command, let name, let waits):
            let id = try backend(named: name)
            let ticket = issueTicket(for: id, session)
            session.machine.commandAccepted()
            requests.post(.command(id, command, ticket, waits: waits))
        case .reload:
            serve(LocalReply(controlSource.reload()), session)
        case .logs(let name, let lines, let follows):
            let id = try backend(named: name)
            let text = controlSource.lastOutput(of: id).suffix(lines).joined()
            guard follows else { return serve(LocalReply(status: 200, body: text), session) }
            session.machine.servedStream(LocalReply.lineStreamHead + Array(text.utf8))
            logSubscribers.append(LogSubscriber(token: session.token, backend: id))
        }
    }

    private func command(named name: String) throws(ControlError) -> CommandID {
        if let id = controlSource.command(named: name) { return id }
        throw .unknownCommand(name, known: controlSource.commandNames)
    }

    private func backend(named name: String) throws(ControlError) -> BackendID {
        if let id = controlSource.backend(named: name) { return id }
        let names = controlSource.serviceNames
        throw names.contains(name) ? .cannotBeRun(name) : .unknown(name, known: names)
    }

    func serve(_ response: LocalReply, _ session: HTTPSession) {
        let headOnly = session.machine.request?.parsed.isHead ?? false
        session.machine.served(
            response.rendered(keepAlive: session.machine.staysOpen, headOnly: headOnly))
    }

    /// Sends a line of output to its subscribers. A subscriber that does not keep up is closed: output is never
    /// buffered without limit.
    func pass(_ line: String, of id: BackendID) {
        for subscriber in logSubscribers where subscriber.backend == id {
            let index = subscriber.token.index
            guard let session = sessions[index] else { continue }
            if session.machine.push(Array(line.utf8)) { runSteps(index, session) } else { close(index, .stalled) }
        }
    }
}

extension Proxy {
    /// Closes the log streams of a removed backend. Its index may be reused.
    func endFollowing(_ id: BackendID) {
        for subscriber in logSubscribers where subscriber.backend == id { close(subscriber.token.index, .done) }
    }
}

/// A client that follows a backend's output.
struct LogSubscriber {
    let token: Token
    let backend: BackendID
}
