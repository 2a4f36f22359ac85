/// A client's way to the backend: the machine that decides, the request that is repeated, and the connection.
///
/// A class of its own, because clients that the cable serves alone need none of it.
final class Relay {
    var machine: RelayMachine
    let backend: BackendID
    var request: StoredRequest
    /// For the log lines of a start.
    let client: ClientInfo
    let began: Instant
    var link = Link.none
    /// Whether the backend has chosen a subprotocol; nil before its first response.
    var hasSubprotocol: Bool?
    /// The end of the present attempt to reach the backend; nil while there is none.
    var wakeDeadline: Instant?

    enum Link {
        case none
        /// The backend is starting.
        case queued(Ticket)
        /// The timer begins the next attempt.
        case paused
        case connected(Upstream)
    }

    init(
        _ machine: RelayMachine, backend: BackendID, request: StoredRequest, client: ClientInfo, began: Instant
    ) {
        self.machine = machine
        self.backend = backend
        self.request = request
        self.client = client
        self.began = began
    }

    deinit { request.wipe() }

    var upstream: Upstream? { if case .connected(let upstream) = link { upstream } else { nil } }
}

/// One connection to a backend, for one client.
final class Upstream {
    enum Stage: Equatable {
        case connecting
        /// The request is sent; the response head so far.
        case handshaking([UInt8])
        case open
        /// A close frame was sent. The backend's own is awaited, and its messages are still for the client.
        case closing
    }

    let descriptor: Descriptor
    /// For tokens.
    let number: UInt32
    let generation: Generation
    /// A lease is held.
    var isCounted = true
    var stage: Stage
    var readiness: Readiness = []
    var assembler = MessageAssembler()
    var unsent: ByteQueue
    /// A send has failed: a part of a frame may be missing.
    var isBroken = false
    /// `Sec-WebSocket-Key` of this connection.
    let key: [UInt8]
    /// When the last bytes arrived.
    var heard: Instant
    /// Its pings: the last one, and the time between the last two.
    var pinged: Instant?
    var pingInterval: Duration?

    init(
        _ descriptor: Descriptor, number: UInt32, generation: Generation, stage: Stage, unsent: ByteQueue = ByteQueue(),
        key: [UInt8], heard: Instant
    ) {
        self.descriptor = descriptor
        self.number = number
        self.generation = generation
        self.stage = stage
        self.unsent = unsent
        self.key = key
        self.heard = heard
    }

    /// A backend that pings and has been silent for three of its intervals is gone.
    func isSilent(at now: Instant) -> Bool {
        guard let pingInterval, stage == .open else { return false }
        return now - heard >= max(pingInterval * 3, Limits.upstreamSilence)
    }

    func notePing(at now: Instant) {
        if let pinged { pingInterval = now - pinged }
        pinged = now
    }
}

/// Gates and addresses of the backends. The proxy has them.
protocol BackendAccess: AnyObject {
    func gate(of backend: BackendID) -> BackendGate
    /// The address of the generation that the gate is open for.
    func address(of backend: BackendID, _ generation: Generation) -> SocketAddress
}

/// What the clients of a cable's backend do now, and what has happened, for the status.
struct HibernationCounters: Equatable, Sendable {
    var wakes: [UInt64] = RelayMachine.WakeTrigger.allCases.map { _ in 0 }
    var replayed: UInt64 = 0
    var disconnections: [UInt64] = RelayMachine.Disconnection.allCases.map { _ in 0 }
    var ignoredCommands: UInt64 = 0
    /// Time without a backend while clients were connected, before the present sleep.
    private var slept = Duration.zero
    private var asleepSince: Instant?

    func slept(at now: Instant) -> Duration { slept + (asleepSince.map { now - $0 } ?? .zero) }

    /// The backend has no process, and clients are connected; or one of both is over.
    mutating func isAsleep(_ isAsleep: Bool, at now: Instant) {
        if isAsleep {
            asleepSince = asleepSince ?? now
        } else {
            slept = slept(at: now)
            asleepSince = nil
        }
    }

    mutating func count(_ trigger: RelayMachine.WakeTrigger) {
        wakes[RelayMachine.WakeTrigger.allCases.firstIndex(of: trigger) ?? 0] += 1
    }

    mutating func count(_ disconnection: RelayMachine.Disconnection) {
        disconnections[RelayMachine.Disconnection.allCases.firstIndex(of: disconnection) ?? 0] += 1
    }
}
