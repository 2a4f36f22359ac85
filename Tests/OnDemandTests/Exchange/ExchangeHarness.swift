import Testing

@testable import OnDemand

/// Simulates both sockets of one exchange: the client's bytes, and the bytes of each backend connection.
struct ExchangeHarness {
    /// One connection to a backend, as far as it is visible to the exchange.
    struct Backend {
        enum End { case staysOpen, closes, resets, breaks }

        var says: [[UInt8]]
        var end = End.staysOpen
        /// Number of bytes that it reads before it sends; nil waits for the end of a head.
        var readsFirst: Int?
        /// It reads nothing.
        var isDeaf = false
        /// One piece, or the end, per head that it has read; from this piece on it waits for none.
        var speaksUnaskedFrom: Int?
        var answersEachHead = false

        /// Serves several requests on one connection.
        static func patient(_ replies: String..., end: End = .staysOpen, speaksUnaskedFrom: Int? = nil) -> Backend {
            var backend = Backend(pieces: replies.map { Array($0.utf8) }, end: end)
            (backend.answersEachHead, backend.speaksUnaskedFrom) = (true, speaksUnaskedFrom)
            return backend
        }

        init(_ says: String..., end: End = .staysOpen, readsFirst: Int? = nil, isDeaf: Bool = false) {
            self.init(pieces: says.map { Array($0.utf8) }, end: end, readsFirst: readsFirst, isDeaf: isDeaf)
        }

        init(pieces: [[UInt8]], end: End = .staysOpen, readsFirst: Int? = nil, isDeaf: Bool = false) {
            (says, self.end, self.readsFirst, self.isDeaf) = (pieces, end, readsFirst, isDeaf)
        }
    }

    enum Admission: CaseIterable { case open, queued, connectFails, connectIsSlow }

    var machine: ExchangeMachine
    var admission = Admission.open
    /// Number of requests before the gate closes; nil: never.
    var gateClosesAfter: Int?
    private var entries = 0
    /// The driver's decision on a client with a PROXY header.
    var mayStay = true
    /// Backends for the next connections, in order.
    var backends: [Backend]
    /// The client's next bytes; then it is silent, or at its end.
    var clientSends: [[UInt8]]
    var clientEnds = false
    /// Bytes that one write to the client accepts; 0 is a client that has stopped reading.
    var clientTakes = Int.max
    /// Bytes that one write to a backend accepts.
    var backendTakes = Int.max

    private(set) var steps: [ExchangeMachine.Step] = []
    private(set) var heardByClient: [UInt8] = []
    /// Bytes that each backend connection has received.
    private(set) var heardByBackends: [[UInt8]] = []
    private(set) var termination: TerminationReason?
    private(set) var sawEnd = false
    private(set) var tunnel: (toClient: [UInt8], toUpstream: [UInt8])?
    private(set) var leases = 0
    private var current: Backend?
    /// The last bytes to a closing backend have not reached it.
    var isUnread = false
    /// Pieces that the current backend has sent.
    private var answered = 0
    /// The current connection is idle.
    private(set) var isKept = false

    init(_ clientSends: String, rules: ExchangeRules = ExchangeHarness.rules, backends: Backend...) {
        self.init(pieces: clientSends.isEmpty ? [] : [Array(clientSends.utf8)], rules: rules, backends: backends)
    }

    init(
        pieces: [[UInt8]], rules: ExchangeRules = ExchangeHarness.rules,
        peer: SocketAddress = .ipv4(octets: [10, 0, 0, 9], port: 5), backends: [Backend]
    ) {
        machine = ExchangeMachine(rules: rules, peer: peer, identity: 7)
        self.clientSends = pieces
        self.backends = backends
    }

    var client: String { String(decoding: heardByClient, as: UTF8.self) }
    var requests: [String] { heardByBackends.map { String(decoding: $0, as: UTF8.self) } }

    /// `/cable` speaks WebSocket, `/app/*` does not, `/off` is disabled, `/status` is the daemon's own.
    static let rules = rules(keeping: nil)

    /// The same, with this idle timeout of backend connections.
    static func rules(keeping timeout: Duration?) -> ExchangeRules {
        let forwarded = HeaderTemplate(name: "X-Forwarded-For", parts: [.remoteAddress])
        var limits = ServiceLimits()
        limits.upstreamKeepAlive = timeout
        let cable = ServiceRules(
            name: "cable", targetPath: nil, authority: "127.0.0.1:1", webSocket: true, headers: [], limits: limits)
        let app = ServiceRules(
            name: "app", targetPath: "/", authority: "127.0.0.1:2", webSocket: false, headers: [forwarded],
            limits: limits)
        let off = ServiceRules(name: "off", targetPath: nil, authority: "", webSocket: true, headers: [])
        let routes: [(StaticString, Destination)] = [
            ("/cable", .backend(BackendID(index: 0))), ("/app/*", .backend(BackendID(index: 1))),
            ("/off", .disabled(BackendID(index: 2))), ("/status", .local(.status(.snapshot))),
            ("/events", .local(.status(.events))),
        ]
        let table = RouteTable(routes.map { Route(pattern: .fixed($0.0), destination: $0.1) })
        return ExchangeRules(routes: table, services: [cable, app, off])
    }

    // MARK: The driver

    private var clientReadiness: Readiness {
        var readiness: Readiness = clientTakes > 0 ? .writable : []
        if !clientSends.isEmpty || clientEnds { readiness.insert(.readable) }
        if clientEnds { readiness.insert(.peerEnded) }
        return readiness
    }

    private var upstreamReadiness: Readiness {
        guard let current else { return [] }
        var readiness: Readiness = current.isDeaf ? [] : .writable
        let heard = heardByBackends[heardByBackends.count - 1]
        let isReady =
            current.answersEachHead
            ? heard.headEnds > answered || current.speaksUnaskedFrom.map { answered >= $0 } ?? false
            : current.readsFirst.map { heard.count >= $0 } ?? (heard.headEnds > 0)
        if isReady, !current.says.isEmpty || current.end != .staysOpen { readiness.insert(.readable) }
        return readiness
    }

    /// Runs steps until nothing is left to do, and checks the invariants of each.
    mutating func run() {
        for _ in 0..<100_000 {
            guard termination == nil, tunnel == nil else { return }
            let step = machine.next(client: clientReadiness, upstream: upstreamReadiness)
            steps.append(step)
            check(step)
            if step == .rest { return }
            perform(step)
        }
        Issue.record("a busy loop at \(steps.last!)")
    }

    private mutating func perform(_ step: ExchangeMachine.Step) {
        switch step {
        case .rest: break
        case .admit: if mayStay { machine.admittedToListener() } else { machine.reject() }
        case .terminate(let reason): termination = reason
        case .openTunnel:
            let bytes = machine.takeTunnelBytes()
            tunnel = (bytes.head.bytes + bytes.earlyFrames, bytes.toUpstream)
        case .enterGate:
            if admission == .queued || gateClosesAfter.map({ entries >= $0 }) ?? false { return machine.queued() }
            entries += 1
            leases += 1
            machine.admitted()
        case .reject: machine.refused(.disabled, retryAfter: nil)
        case .connect: connect()
        case .serve(.status(.events)): machine.servedStream(Array("HEAD".utf8))
        case .serve: machine.served(Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8))
        case .receive(.client): receiveFromClient()
        case .receive(.upstream): receiveFromUpstream()
        case .send(.client): sendToClient()
        case .send(.upstream): sendToUpstream()
        case .releaseUpstream:
            current = nil
            if !isKept { leases -= 1 }
            isKept = false
            machine.releasedUpstream()
        case .keepUpstream:
            leases -= 1
            isKept = true
            machine.keptUpstream()
        case .endSendingToClient:
            sawEnd = true
            machine.endedSendingToClient()
        }
    }

    private mutating func connect() {
        switch admission {
        case .connectFails: machine.connectFailed()
        case .connectIsSlow: machine.connectionStarted()
        case .open, .queued:
            if isKept {
                isKept = false
                return machine.connected(isKept: true)
            }
            current = backends.removeFirst()
            answered = 0
            heardByBackends.append([])
            machine.connected()
        }
    }

    private mutating func receiveFromClient() {
        if clientSends.isEmpty {
            machine.clientEnded()
        } else {
            machine.receivedFromClient(clientSends.removeFirst()[...])
        }
    }

    private mutating func receiveFromUpstream() {
        answered += 1
        guard current!.says.isEmpty else { return machine.receivedFromUpstream(current!.says.removeFirst()[...]) }
        switch current!.end {
        case .closes: machine.upstreamEnded(isUnread: isUnread)
        case .resets: machine.upstreamWasReset()
        case .breaks, .staysOpen: machine.upstreamFailed()
        }
    }

    private mutating func sendToClient() {
        let bytes = machine.toClient.bytes.prefix(clientTakes)
        heardByClient += bytes
        machine.sentToClient(bytes.count)
    }

    private mutating func sendToUpstream() {
        let bytes = machine.toUpstream.bytes.prefix(backendTakes)
        heardByBackends[heardByBackends.count - 1] += bytes
        machine.sentToUpstream(bytes.count)
    }

    // MARK: Invariants of every step

    private func check(_ step: ExchangeMachine.Step) {
        switch step {
        case .receive(.client):
            #expect(machine.toUpstream.isEmpty, "read from the client while the backend is behind")
        case .receive(.upstream):
            #expect(machine.toClient.isEmpty, "read from the backend while the client is behind")
            #expect(current != nil, "read from a backend without a connection")
        case .send(.upstream): #expect(current != nil, "sent to a backend without a connection")
        case .enterGate, .connect:
            #expect(leases <= 1 && (current == nil || isKept), "two backends at once")
        default: break
        }
        let oneRead = Limits.readBufferBytes + machine.rules.headLimits.maximumHeaderBytes
        let queued = [machine.inbound.count, machine.toUpstream.count]
        #expect(queued.allSatisfy { $0 <= oneRead + 1024 }, "\(queued) bytes are held")
        let oneAnswer = Limits.readBufferBytes + machine.answerLimits.maximumHeaderBytes
        let heldOfAnswer = [machine.toClient.count, machine.upstream.unread.count]
        #expect(heldOfAnswer.allSatisfy { $0 <= oneAnswer + 1024 }, "\(heldOfAnswer) bytes are held")
    }

    // MARK: Events

    mutating func clientMore(_ text: String) {
        clientSends.append(Array(text.utf8))
        run()
    }

    /// Adds bytes of the backend to the current connection.
    mutating func backendSpeaks(_ text: String) {
        current?.says.append(Array(text.utf8))
        current?.speaksUnaskedFrom = 0
        run()
    }

    mutating func backendBreaks() {
        current?.speaksUnaskedFrom = 0
        run()
    }

    /// The armed deadline; nil: none.
    var deadline: ExchangeMachine.Deadline? {
        var machine = machine
        return machine.deadline(client: clientReadiness)
    }

    /// Fires it.
    mutating func deadlineFires(undelivered: Int = 0) {
        guard let deadline else {
            Issue.record("no deadline is armed in \(machine.place)")
            return
        }
        machine.deadlineFired(deadline, undelivered: undelivered)
        run()
    }
}

extension ByteQueue {
    var bytes: [UInt8] { withSpan { span in span.indices.map { span[$0] } } }
}

extension [UInt8] {
    fileprivate var headEnds: Int { indices.count { self[$0...].starts(with: [13, 10, 13, 10]) } }
}
