/// Serves the requests for local endpoints: passes each on to the driver that it is for, and makes the response of what
/// that driver replies. These requests never count as use of a backend; only operations can wake one.
///
/// - `serve` begins a request: a message to the daemon itself (status, reload), the supervisor (operations), the
///   command runner (runs) or the cable server (broadcasts).
/// - `handle` takes the reply and returns how the client's session goes on.
///
/// Invariants: a reply whose requester has left has no effect. A subscriber that does not keep up is closed: a stream
/// is never buffered without limit.
final class LocalEndpoints<K: Kernel> {
    private let kernel: K
    private let sessions: HTTPSessionTable
    private let queue: RequestQueue<K>
    private let subscribers: SubscriberTable<K>
    private let memory: MemoryTrim<K>
    private let mailboxes: ProxyMailboxes
    private var names = LocalNames()

    init(
        kernel: K, sessions: HTTPSessionTable, queue: RequestQueue<K>, subscribers: SubscriberTable<K>,
        memory: MemoryTrim<K>, mailboxes: ProxyMailboxes
    ) {
        (self.kernel, self.sessions, self.queue) = (kernel, sessions, queue)
        (self.subscribers, self.memory, self.mailboxes) = (subscribers, memory, mailboxes)
    }

    /// With each configuration.
    func update(_ names: LocalNames) { self.names = names }

    /// What the proxy does with a session after a reply.
    enum Continuation {
        case run(HTTPSession)
        case close(HTTPSession)
    }

    // MARK: Requests

    /// Begins a request. Clients of cables go to `CableAdmission`, because their connections move.
    func serve(_ endpoint: Endpoint, _ session: HTTPSession, isDraining: Bool) {
        switch endpoint {
        case .status(.service), .control: control(session, isDraining: isDraining)
        case .status(let resource): serve(resource, session, isDraining: isDraining)
        case .cable: preconditionFailure("a client of a cable is admitted")
        case .broadcast(let id):
            post(.broadcast(id, body: session.machine.endpointBody, requester: session.token), for: session)
        case .command(let id):
            post(.start(id, body: session.machine.endpointBody, requester: session.token), for: session)
        case .run(let id):
            let head = session.machine.request?.parsed.head
            let run = head.flatMap { RunID($0.lastSegment) }
            post(
                head?.isDelete == true
                    ? .stop(id, run, requester: session.token) : .state(id, run, requester: session.token),
                for: session)
        }
    }

    private func serve(_ resource: StatusResource, _ session: HTTPSession, isDraining: Bool) {
        // A kept connection would delay the shutdown.
        if isDraining { session.machine.closeAfterResponse() }
        if resource.isLarge { memory.servedStatus() }
        switch resource {
        case .service: preconditionFailure("a request of an operator")
        case .history: post(.history(requester: session.token), for: session)
        case .events where !isHead(session): post(.snapshot(.stream, requester: session.token), for: session)
        case .page, .snapshot, .metrics, .events, .health, .readiness:
            post(.snapshot(.resource(resource), requester: session.token), for: session)
        }
    }

    private func control(_ session: HTTPSession, isDraining: Bool) {
        do throws(ControlError) {
            let place = session.purpose == .control ? ControlRequest.Place.control : .status
            let request = try ControlRequest(reading: session.machine.request?.line ?? "", at: place)
            try begin(request, session, isDraining: isDraining)
        } catch {
            respond(error.response, session)
        }
    }

    private func begin(_ request: ControlRequest, _ session: HTTPSession, isDraining: Bool) throws(ControlError) {
        let requester = session.token
        switch request {
        case .status(.json): serve(.snapshot, session, isDraining: isDraining)
        case .status(let form): post(.snapshot(.services(form), requester: requester), for: session)
        case .commands(let form): post(.snapshot(.commands(form), requester: requester), for: session)
        case .run(let name, let parameters):
            let id = try names.command(named: name)
            let values = parameters.map { ($0.name, $0.value) }
            post(.follow(id, parameters: values, requester: requester), for: session)
        case .runState(let name, let run):
            let id = try names.command(named: name)
            post(.state(id, RunID(run), requester: requester), for: session)
        case .stopRun(let name, let run):
            let id = try names.command(named: name)
            post(.stop(id, RunID(run), requester: requester), for: session)
        case .operation(let operation, let name, let waits):
            queue.enqueue(operation, to: try names.backend(named: name), waits: waits, from: session)
        case .reload: post(.reload(requester: requester), for: session)
        case .logs(let name, let lines, let follows):
            let id = try names.backend(named: name)
            post(.output(id, lines: lines, follows: follows, requester: requester), for: session)
        }
    }

    private func post(_ request: DaemonRequest, for session: HTTPSession) {
        session.machine.requestAccepted(repliesInThisTurn: true)
        mailboxes.post(request)
    }

    private func post(_ request: CableRequest, for session: HTTPSession) {
        session.machine.requestAccepted(repliesInThisTurn: true)
        mailboxes.post(request)
    }

    private func post(_ request: CommandRequest, for session: HTTPSession) {
        session.machine.requestAccepted(repliesInThisTurn: true)
        mailboxes.post(request)
    }

    // MARK: Responses

    private func isHead(_ session: HTTPSession) -> Bool { session.machine.request?.parsed.isHead ?? false }

    /// Responds in the format of operators.
    func respond(_ response: LocalReply, _ session: HTTPSession) {
        session.machine.served(response.rendered(keepAlive: session.machine.staysOpen, headOnly: isHead(session)))
    }

    /// The response of a cable server or the command runner.
    func handle(_ response: LocalReply, for requester: Token) -> [Continuation] {
        guard let session = sessions.named(requester), session.machine.awaitsReply else { return [] }
        if response.status < 300 { respond(response, session) } else { session.machine.respond(response) }
        return [.run(session)]
    }

    /// Of the daemon itself.
    func handle(_ response: DaemonReply) -> [Continuation] {
        switch response {
        case .snapshot(let snapshot, let view, let requester):
            return reply(to: requester) { show(snapshot, as: view, $0) }
        case .event(let snapshot):
            let event = StatusResponse.event(snapshot)
            return subscribers.beginEvent().compactMap { push(event, to: $0) }
        case .history(let history, let requester):
            return reply(to: requester) { session in
                let text = HistoryJSON.text(of: history, at: kernel.wallClock().seconds)
                respond(json: text, session)
            }
        case .output(let id, let lines, let follows, let requester):
            return reply(to: requester) { session in
                let text = lines.joined()
                guard follows else { return respond(LocalReply(status: 200, body: text), session) }
                session.machine.servedStream(LocalReply.lineStreamHead + Array(text.utf8))
                subscribers.subscribe(session.token, toOutputOf: id)
            }
        case .reloaded(let outcome, let requester):
            return reply(to: requester) { respond(LocalReply(outcome), $0) }
        }
    }

    private func reply(to requester: Token, _ body: (HTTPSession) -> Void) -> [Continuation] {
        guard let session = sessions.named(requester), session.machine.awaitsReply else { return [] }
        body(session)
        return [.run(session)]
    }

    private func show(_ snapshot: Snapshot, as view: SnapshotView, _ session: HTTPSession) {
        switch view {
        case .resource(let resource):
            session.machine.served(
                StatusResponse.of(
                    resource, snapshot, keepAlive: session.machine.staysOpen, headOnly: isHead(session)))
        case .stream:
            session.machine.servedStream(StatusResponse.eventStreamHead + StatusResponse.event(snapshot))
            subscribers.subscribeToStatus(session.token)
        case .services(let form):
            let table = StatusTable.text(of: snapshot, paint: form.paint)
            respond(LocalReply(status: 200, body: table), session)
        case .commands(.json):
            session.machine.served(
                StatusResponse.ofJSON(
                    StatusJSON.commands(of: snapshot), keepAlive: session.machine.staysOpen, headOnly: false))
        case .commands(let form):
            let table = CommandTable.text(of: snapshot.commands, paint: form.paint)
            respond(LocalReply(status: 200, body: table), session)
        }
    }

    private func respond(json text: String, _ session: HTTPSession) {
        session.machine.served(
            StatusResponse.ofJSON(text, keepAlive: session.machine.staysOpen, headOnly: isHead(session)))
    }

    // MARK: Streams

    private func push(_ bytes: [UInt8], to token: Token) -> Continuation? {
        guard let session = sessions.named(token) else { return nil }
        return session.machine.push(bytes) ? .run(session) : .close(session)
    }

    /// The time of a status event has come.
    func statusTimerFired() {
        if subscribers.hasStatusSubscribers { mailboxes.post(.event) }
    }

    /// A line of a backend's output, for its subscribers.
    func pass(_ line: String, of id: BackendID) -> [Continuation] {
        subscribers.subscribers(ofOutputOf: id).compactMap { push(Array(line.utf8), to: $0) }
    }

    /// Of the command runner.
    func handle(_ reply: CommandReply) -> [Continuation] {
        switch reply {
        case .response(let response, let requester): return handle(response, for: requester)
        case .following(let id, let requester):
            guard let session = sessions.named(requester), session.machine.awaitsReply else {
                mailboxes.post(.followerLeft(requester: requester))
                return []
            }
            session.machine.servedStream(RunEvents.head + RunEvents.began(id.text))
            subscribers.subscribeToRun(requester)
            return [.run(session)]
        case .output(let bytes, let requester):
            guard subscribers.followsRun(requester), let session = sessions.named(requester) else { return [] }
            let isKept = session.machine.push(RunEvents.output(bytes), within: Limits.followedOutputBytes)
            return [isKept ? .run(session) : .close(session)]
        case .followEnded(let run, let requester):
            guard subscribers.endRun(for: requester), let session = sessions.named(requester) else { return [] }
            session.machine.endStream(RunEvents.ended(run))
            return [.run(session)]
        }
    }

    /// A connection is closed: its streams end.
    func connectionClosed(_ token: Token) {
        if subscribers.remove(token) { mailboxes.post(.followerLeft(requester: token)) }
    }

    // MARK: Looks

    /// Whether the connection follows a run, which ends before the daemon does.
    func followsRun(_ session: HTTPSession) -> Bool { subscribers.followsRun(session.token) }

    /// Whether no request refers to this command, and no message about one is on its way.
    func isUnused(_ id: CommandID) -> Bool { sessions.all.allSatisfy { !$0.machine.mayConcern(id) } }
}

extension ControlRequest.StatusForm {
    fileprivate var paint: ANSIStyle { self == .coloured ? .colours : .plain }
}
