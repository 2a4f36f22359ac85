/// Requests of clients and operators.
extension CommandRunner {
    func handle(_ request: CommandRequest) {
        switch request {
        case .start(let id, let body, let requester):
            guard let definition = commands[id] else {
                return post(.response(RunReply.unknownCommand, requester: requester))
            }
            do throws(RunRequestError) {
                let values = try RunRequest(body: body, parameters: definition.parameters)
                start(id, definition, values, for: requester, isFollowed: false)
            } catch {
                refuse(id, .invalid, RunReply.invalid(error), requester)
            }
        case .follow(let id, let parameters, let requester):
            guard let definition = commands[id] else {
                return post(.response(RunReply.unknownCommand, requester: requester))
            }
            do throws(RunRequestError) {
                let values = try RunRequest(
                    parameters.map { (name: $0.0, value: $0.1) }, parameters: definition.parameters)
                start(id, definition, values, for: requester, isFollowed: true)
            } catch {
                refuse(id, .invalid, RunReply.invalid(error), requester)
            }
        case .state(let id, let run, let requester):
            post(.response(state(of: run, of: id) ?? RunReply.unknownRun, requester: requester))
        case .stop(let id, let run, let requester):
            post(.response(stop(run, of: id) ?? RunReply.unknownRun, requester: requester))
        case .followerLeft(let requester):
            for run in runs { run?.followers.removeAll { $0 == requester } }
        case .rejected(let id, let reason): count(reason, of: id)
        }
    }

    func refuse(_ id: CommandID, _ reason: RunRejection, _ response: LocalReply, _ requester: Token) {
        count(reason, of: id)
        post(.response(response, requester: requester))
    }

    func count(_ reason: RunRejection, of id: CommandID) { commands.rejected(reason, of: id) }

    func state(of id: RunID?, of command: CommandID) -> LocalReply? {
        guard let id, let definition = commands[command] else { return nil }
        let run = find(id, of: command)?.summary(at: kernel.now()) ?? commands.ended(id, of: command, at: kernel.now())
        return run.map { RunReply.state($0, of: definition.name) }
    }

    func stop(_ id: RunID?, of command: CommandID) -> LocalReply? {
        guard let id, let run = find(id, of: command), !run.machine.hasEnded else { return state(of: id, of: command) }
        dispatch(run, .stopRequested)
        return RunReply.state(run.summary(at: kernel.now()), of: run.definition.name, status: 202)
    }

    func find(_ id: RunID, of command: CommandID) -> CommandRun? {
        runs.first { $0?.id == id && $0?.command == command } ?? nil
    }
}
