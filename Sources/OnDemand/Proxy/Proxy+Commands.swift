/// Requests for commands and runs, and the responses of the command runner.
extension Proxy {
    func post(_ request: CommandRequest) {
        commandRequests.post(request)
        requests.post(.commandWork)
    }

    /// Counts a request that was rejected before the command runner got it.
    func noteRejection(_ response: LocalReply, of id: CommandID) {
        switch response.status {
        case 401: post(.rejected(id, .unauthorized))
        case 413: post(.rejected(id, .tooLarge))
        default: break
        }
    }

    func handle(_ reply: CommandReply) {
        switch reply {
        case .response(let response, let requester): respond(response, to: requester)
        case .following(let id, let requester):
            guard let session = session(named: requester), session.machine.awaitsCommand else {
                return post(.followerLeft(requester: requester))
            }
            session.machine.servedStream(RunEvents.head + RunEvents.began(id.text))
            runFollowers.insert(requester)
            runSteps(requester.index, session)
        case .output(let bytes, let requester):
            guard runFollowers.contains(requester), let session = session(named: requester) else { return }
            let isKept = session.machine.push(RunEvents.output(bytes), within: Limits.followedOutputBytes)
            if isKept { runSteps(requester.index, session) } else { close(requester.index, .stalled) }
        case .followEnded(let run, let requester):
            guard runFollowers.remove(requester) != nil, let session = session(named: requester) else { return }
            session.machine.endStream(RunEvents.ended(run))
            runSteps(requester.index, session)
        }
    }

    /// Whether no request refers to this command, and no message about one is on its way.
    func isUnused(_ id: CommandID) -> Bool {
        sessions.all.allSatisfy { !$0.machine.mayConcern(id) }
    }
}
