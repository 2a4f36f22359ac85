@testable import OnDemand

/// A machine with the surroundings that a driver gives it: a lease, a backend's connection, the client's end.
struct ExchangeBench {
    private(set) var machine: ExchangeMachine
    private(set) var hasLease = false
    private(set) var hasUpstream = false
    private(set) var isKept = false
    private(set) var clientHasEnded = false
    private(set) var endIsRead = false
    private(set) var isDraining = false
    /// The driver has closed the connection during the drain.
    private(set) var isClosed = false
    /// The requests that were sent.
    private(set) var heads = 0
    /// The bytes that the client has got.
    private(set) var heard: [UInt8] = []

    init(expectsProxyHeader: Bool = false, upstreamKeepAlive: Duration? = .seconds(60)) {
        machine = ExchangeMachine(
            rules: Self.rules(expectsProxyHeader, upstreamKeepAlive),
            peer: .ipv4(octets: [127, 0, 0, 1], port: 5), identity: 7)
    }

    init(after path: [ExchangeOccurrence], expectsProxyHeader: Bool = false) {
        self.init(expectsProxyHeader: expectsProxyHeader)
        for occurrence in path { happen(occurrence) }
    }

    static func rules(_ expectsProxyHeader: Bool, _ upstreamKeepAlive: Duration?) -> ExchangeRules {
        let (app, off) = (BackendID(index: 0), BackendID(index: 1))
        var limits = ServiceLimits()
        limits.upstreamKeepAlive = upstreamKeepAlive
        let services = ["app", "off"].map {
            ServiceRules(name: $0, targetPath: nil, authority: "a", webSocket: true, headers: [], limits: limits)
        }
        let routes: [(StaticString, Destination)] = [
            ("/app", .backend(app)), ("/off", .disabled(off)), ("/status", .local(.status(.snapshot))),
            ("/broadcast", .local(.broadcast(CableID(index: 0)))), ("/cable", .local(.cable(CableID(index: 0)))),
        ]
        return ExchangeRules(
            routes: RouteTable(routes.map { Route(pattern: .fixed($0.0), destination: $0.1) }), services: services,
            expectsProxyHeader: expectsProxyHeader, cables: [CableAccess(name: "cable", backend: app)])
    }

    // MARK: Steps

    private var clientReadiness: [Readiness] {
        let base: Readiness = clientHasEnded ? .peerEnded : []
        let sends: [Readiness] = endIsRead ? [[]] : [[], .readable]
        return sends.flatMap { [base.union($0), base.union($0).union(.writable)] }
    }

    private var upstreamReadiness: [Readiness] {
        hasUpstream ? [[], .readable, .writable, [.readable, .writable]] : [[]]
    }

    /// All steps that the machine asks for, whatever the readiness of the sockets.
    var steps: [ExchangeMachine.Step] {
        var machine = machine
        var steps: [ExchangeMachine.Step] = []
        for client in clientReadiness {
            for upstream in upstreamReadiness {
                let step = machine.next(client: client, upstream: upstream)
                if !steps.contains(step) { steps.append(step) }
            }
        }
        return steps
    }

    /// The step where both sockets take bytes and have none.
    var step: ExchangeMachine.Step {
        var machine = machine
        return machine.next(
            client: clientHasEnded ? [.writable, .peerEnded] : .writable, upstream: hasUpstream ? .writable : [])
    }

    var deadline: ExchangeMachine.Deadline? {
        var machine = machine
        return machine.deadline(client: clientHasEnded ? .peerEnded : [])
    }

    /// Whether nothing follows but the end of the connection, or its tunnel.
    var isOver: Bool {
        if isClosed { return true }
        return switch step {
        case .terminate, .openTunnel: true
        case .admit, .enterGate, .reject, .connect, .serve, .receive, .send, .releaseUpstream, .keepUpstream,
            .endSendingToClient, .rest:
            false
        }
    }

    // MARK: Possible events

    /// The events that a driver can report now: those that the machine's steps ask for, and those that come unasked.
    var possible: Set<ExchangeOccurrence> {
        guard !isOver else { return [] }
        var possible: Set<ExchangeOccurrence> = [.clientBreaks, .newRules]
        if !clientHasEnded { possible.insert(.clientEnded) }
        if !isDraining { possible.insert(.drain) }
        if deadline != nil { possible.insert(.deadline) }
        if hasLease { possible.insert(.generationEnds) }
        for step in steps { possible.formUnion(answers(to: step)) }
        if machine.mayWaitAgain { possible.insert(.notListening) }
        return possible
    }

    private func answers(to step: ExchangeMachine.Step) -> [ExchangeOccurrence] {
        switch step {
        case .admit: [.withinLimits, .limitReached]
        case .enterGate: [.gateOpen, .gateClosed, .refused]
        case .reject: [.refused]
        case .connect:
            [.connectBegins, .connected, .connectedFirst, .connectFails, .outOfResources]
                + (isKept ? [.connectedKept] : [])
        case .serve(.cable): [.replied, .proceeds]
        case .serve: [.served, .replied, .replyFollows, .requestAccepted, .streamBegins]
        case .receive(.client): clientHasEnded ? [.clientEnded] : inputs
        case .receive(.upstream): outputs + [.upstreamEnds, .upstreamUnread, .upstreamResets, .upstreamFails]
        case .send(.client): [.sent]
        case .send(.upstream): [.upstreamTook, .upstreamRefusesMore]
        case .releaseUpstream: [.released]
        case .keepUpstream: [.kept, .released]
        case .endSendingToClient: [.endedSending]
        case .openTunnel, .terminate: []
        case .rest: unasked
        }
    }

    /// The client's next bytes.
    private var inputs: [ExchangeOccurrence] {
        switch machine.place {
        case .readingProxyHeader: [.proxyHeader, .invalid] + (machine.inbound.isEmpty ? [.part] : [])
        case .readingHead: ExchangeOccurrence.heads + (machine.inbound.isEmpty ? [.part, .invalid] : [.invalid])
        case .streaming, .lingering: [.part, .flood]
        default: [.part, .bodyRest, .invalid]
        }
    }

    /// The backend's next bytes.
    private var outputs: [ExchangeOccurrence] {
        guard machine.place == .awaitingResponse else { return [.responseRest, .notHTTP] }
        let opens = machine.forwardedRequest?.opensWebSocket == true
        return [.interim, .wholeResponse, .responseBegins, .untilClose, .notHTTP] + (opens ? [.switched] : [])
    }

    /// Results of what was begun earlier.
    private var unasked: [ExchangeOccurrence] {
        switch machine.place {
        case .queued: [.gateOpen, .refused]
        case .awaitingConnection: [.connected, .connectedFirst, .connectFails, .acceptQueueFull]
        case .awaitingReply: [.served, .replied, .streamBegins]
        case .awaitingResult: [.served, .replied]
        case .streaming: [.streamContinues, .streamEnds]
        default: []
        }
    }

    // MARK: Events

    mutating func happen(_ occurrence: ExchangeOccurrence) {
        switch occurrence {
        case .proxyHeader, .request, .upload, .upgrade, .disabledRequest, .unknownRequest, .statusRequest,
            .broadcastHead, .cableRequest, .part, .bodyRest, .invalid, .flood, .clientEnded, .clientBreaks, .sent:
            hear(occurrence)
        case .interim, .switched, .wholeResponse, .responseBegins, .untilClose, .responseRest, .notHTTP:
            machine.receivedFromUpstream(ExchangeSamples.output(occurrence)[...])
        case .upstreamTook: machine.sentToUpstream(machine.toUpstream.count)
        case .upstreamRefusesMore: machine.upstreamRefusedBytes()
        case .upstreamEnds: machine.upstreamEnded()
        case .upstreamUnread: machine.upstreamEnded(isUnread: true)
        case .upstreamResets: machine.upstreamWasReset()
        case .upstreamFails: machine.upstreamFailed()
        case .served: machine.served(Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8))
        case .replied: machine.respond(LocalReply(status: 503, body: "x"), closing: true)
        case .replyFollows: machine.requestAccepted(repliesInThisTurn: true)
        case .requestAccepted: machine.requestAccepted()
        case .streamBegins: machine.servedStream(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
        case .streamContinues: _ = machine.push([1])
        case .streamEnds: machine.endStream([2])
        case .proceeds: machine.proceedToBackend()
        case .endedSending: machine.endedSendingToClient()
        case .deadline: machine.deadlineFired(deadline ?? .linger)
        case .drain: drain()
        case .newRules: machine.update(Self.rules(false, nil))
        case .withinLimits, .limitReached, .gateOpen, .gateClosed, .refused, .connectBegins, .connected,
            .connectedFirst, .connectedKept, .connectFails, .outOfResources, .acceptQueueFull, .notListening,
            .generationEnds, .released, .kept:
            lead(occurrence)
        }
    }

    /// Events of the client's socket.
    private mutating func hear(_ occurrence: ExchangeOccurrence) {
        switch occurrence {
        case .clientEnded:
            let isRead = steps.contains(.receive(.client))
            clientHasEnded = true
            guard isRead else { return }
            endIsRead = true
            machine.clientEnded()
        case .clientBreaks: machine.clientFailed()
        case .sent:
            heard += machine.toClient.bytes
            machine.sentToClient(machine.toClient.count)
        default:
            if ExchangeOccurrence.heads.contains(occurrence) { heads += 1 }
            // A part of it may have arrived.
            let isRest = occurrence == .proxyHeader
            let bytes = ExchangeSamples.input(occurrence, in: machine.place)
            machine.receivedFromClient(bytes.dropFirst(isRest ? machine.inbound.count : 0))
        }
    }

    /// Results of the driver's steps.
    private mutating func lead(_ occurrence: ExchangeOccurrence) {
        switch occurrence {
        case .withinLimits: machine.admittedToListener()
        case .limitReached: machine.reject()
        case .gateOpen:
            hasLease = true
            machine.admitted()
        case .gateClosed: machine.queued()
        case .refused: machine.refused(.disabled, retryAfter: nil)
        case .connectBegins:
            (hasUpstream, isKept) = (true, false)
            machine.connectionStarted()
        case .connected, .connectedFirst, .connectedKept:
            (hasUpstream, isKept) = (true, false)
            machine.connected(isKept: occurrence == .connectedKept, isProven: occurrence != .connectedFirst)
        case .connectFails: machine.connectFailed()
        case .outOfResources: machine.resourcesRanOut()
        case .acceptQueueFull: machine.connectAgain()
        case .notListening:
            release()
            machine.waitAgain()
        case .generationEnds: if !machine.backendGenerationEnded() { machine.upstreamFailed() }
        case .released: release()
        case .kept:
            (hasLease, isKept) = (false, true)
            machine.keptUpstream()
        default: preconditionFailure("no result of a step: \(occurrence)")
        }
    }

    private mutating func release() {
        (hasLease, hasUpstream, isKept) = (false, false, false)
        machine.releasedUpstream()
    }

    private mutating func drain() {
        isDraining = true
        switch machine.drain() {
        case .close: isClosed = true
        case .reject: machine.refused(.shuttingDown, retryAfter: .seconds(5))
        case .abandonRequest:
            machine.served(Array("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".utf8))
        case .finish: break
        }
    }

    mutating func takeLocalReply() -> LocalReply? { machine.takeLocalReply() }
}

/// The bytes of client and backend.
enum ExchangeSamples {
    static func input(
        _ occurrence: ExchangeOccurrence, in place: ExchangePlace
    ) -> [UInt8] {
        Array(text(occurrence, in: place).utf8)
    }

    private static let chunked = " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    private static func text(
        _ occurrence: ExchangeOccurrence, in place: ExchangePlace
    ) -> String {
        switch occurrence {
        case .proxyHeader: "PROXY TCP4 198.51.100.7 198.51.100.1 40000 80\r\n"
        case .request: "GET /app HTTP/1.1\r\nHost: a\r\n\r\n"
        case .upload: "POST /app" + chunked
        case .upgrade: ExchangeHarness.upgradeRequest.replacing("/cable", with: "/app")
        case .disabledRequest: "GET /off HTTP/1.1\r\nHost: a\r\n\r\n"
        case .unknownRequest: "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
        case .statusRequest: "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
        case .broadcastHead: "POST /broadcast" + chunked
        case .cableRequest: ExchangeHarness.upgradeRequest
        case .bodyRest: "0\r\n\r\n"
        case .flood: String(repeating: "x", count: Limits.lingerBytes + 1)
        case .part:
            switch place {
            case .readingProxyHeader: "PROXY "
            // An empty line before a head is allowed (RFC 9112, 2.2).
            case .readingHead: "\r\n"
            default: "3\r\nabc\r\n"
            }
        default: "no protocol\r\n\r\n"
        }
    }

    static func output(_ occurrence: ExchangeOccurrence) -> [UInt8] {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        let text =
            switch occurrence {
            case .interim: "HTTP/1.1 103 Early Hints\r\n\r\n"
            case .switched: ExchangeHarness.switched
            case .wholeResponse: ExchangeHarness.hello
            case .responseBegins: chunked
            case .untilClose: "HTTP/1.0 200 OK\r\n\r\nabc"
            case .responseRest: "0\r\n\r\n"
            default: "zz\r\n\r\n"
            }
        return Array(text.utf8)
    }
}
