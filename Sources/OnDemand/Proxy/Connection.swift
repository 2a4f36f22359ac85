/// A client's connection and its upstream: all state that the proxy keeps for it.
///
/// A plain value in a slab. Before the tunnel it refers to an `HTTPSession`. In a tunnel it is the whole state, so its
/// size is the cost of an idle WebSocket. The order of the members avoids padding, and a test checks the sum.
struct Connection {
    /// Heads, bodies and deadlines. nil: the tunnel is open.
    var session: HTTPSession?
    /// Client to backend.
    var up = RelayDirection()
    /// The backend ended without a close frame, and the daemon sent one in its place.
    var sentCloseForBackend = false
    /// The share of a turn was used up. The connection is resumed in the next turn.
    var isBusy = false
    /// Generation of the slot, for tokens.
    var generation: UInt32 = 0
    /// Backend to client.
    var down = RelayDirection()
    /// The lease was returned: this tunnel does not keep its backend awake.
    var isUncounted = false
    /// `moved` at the time the timer was armed, for comparison when it fires.
    var movedWhenArmed: UInt32 = 0
    /// The deadline that the timer is armed for. nil: not armed.
    var armed: Deadline?
    var closeHandshake = CloseHandshake.none
    /// The first protocol violation, until the proxy has logged it. nil: none.
    var protocolViolation: ProtocolViolation?
    /// The backend's process has exited or reads no more. The tunnel ends after its last bytes are relayed.
    var backendIsGone = false
    /// Frame boundaries of each direction. nil: after a protocol violation.
    var clientFrames: FrameTracker?
    /// The client sent a text or binary frame since the flag was last cleared.
    var hasClientData = false
    var serverFrames: FrameTracker?
    /// Where it comes from, and where it is counted.
    var admission = Admission.none
    var client: Endpoint
    var upstream: Endpoint?
    /// The generation of the backend that this connection uses. nil: none.
    var lease: Lease?
    /// Message rate limit of the client. nil: unlimited.
    var rateLimiter: RateLimiter?

    init(client: Endpoint) { self.client = client }

    /// Initializes a vacant slot for a client. The other members already have their initial values.
    mutating func begin(_ client: Endpoint, _ session: HTTPSession, generation: UInt32, _ admission: Admission) {
        self.client = client
        self.session = session
        self.generation = generation
        self.admission = admission
    }

    /// Content of a vacant slot.
    static var empty: Connection { Connection(client: .init(descriptor: Descriptor(raw: -1))) }

    struct Endpoint {
        let descriptor: Descriptor
        /// Distinguishes the successive upstreams of one connection.
        var number: UInt32 = 0
        var readiness: Readiness = []
    }

    /// Close handshake that the daemon starts (RFC 6455, 7.1).
    enum CloseHandshake: Equatable {
        case none
        /// A timer will start it. Random delays spread the clients' reconnects.
        case scheduled(CloseCode)
        /// The close frame is sent as soon as no backend frame is partially sent.
        case pending(CloseCode)
        /// The close frame is queued and nothing follows it. The client has `Limits.closeTimeout` to respond.
        case sent
        /// The connection is failed (RFC 6455, 7.1.7): the daemon's direction ends after the close frame. The client's
        /// bytes are discarded until its end. `discarded` counts them in KiB, at least 1 per read.
        case failed(discarded: UInt16)

        /// No more backend bytes are relayed.
        var isSent: Bool {
            switch self {
            case .none, .scheduled, .pending: false
            case .sent, .failed: true
            }
        }

        /// The state after a close frame with this code.
        init(sending code: CloseCode) { self = code.failsConnection ? .failed(discarded: 0) : .sent }
    }

    /// The wait of an open tunnel that has a time limit.
    enum Deadline: Equatable {
        /// The random delay of a scheduled close frame.
        case closeDelay
        /// From the pending close frame to the client's end.
        case closeHandshake
        /// One endpoint has ended: bytes must move in some direction.
        case progress
        /// Bytes are pending for the client, which must accept some.
        case stall
    }

    struct ProtocolViolation: Equatable {
        let side: Peer
        let violation: FrameViolation
    }

    struct Lease: Equatable {
        let backend: BackendID
        let generation: Generation
    }

    /// HTTP state of a connection.
    final class HTTPSession {
        var machine: ExchangeMachine
        /// Purpose of the listener that accepted the connection.
        let purpose: ListenerSpec.Purpose
        /// The armed deadline. nil: none.
        var armed: ArmedDeadline?
        /// The generation that the idle upstream belongs to. No lease is held. nil: no idle upstream.
        var idleUpstream: Lease?
        /// The ticket of a queued request. nil: not queued.
        var ticket: (number: Ticket, backend: BackendID)?
        /// How often its steps were run in `turn`.
        private var runs = 0
        private var turn: UInt64 = 0

        struct ArmedDeadline: Equatable {
            let deadline: ExchangeMachine.Deadline
            let request: Int
            /// Bytes moved when the deadline was armed. A header timeout ignores it.
            let moved: Int
        }

        init(machine: consuming ExchangeMachine, purpose: ListenerSpec.Purpose) {
            self.machine = machine
            self.purpose = purpose
        }

        /// False: the session has run often enough in this turn. Each reply of another driver runs it, and the run may
        /// find the next request of a pipeline, which causes the next reply.
        func mayRun(in turn: UInt64) -> Bool {
            if turn != self.turn { (self.turn, runs) = (turn, 0) }
            runs += 1
            return runs <= Limits.runsPerTurn
        }

        /// Returns the next step, and whether a local reply is still to be logged.
        func next(client: Readiness, upstream: Readiness) -> (step: ExchangeMachine.Step, hasLocalReply: Bool) {
            Self.next(&machine, client, upstream)
        }

        /// The deadline that applies now, given the readiness of the client's socket.
        func wanted(client: Readiness) -> ArmedDeadline? { Self.wanted(&machine, client) }

        func limit(of deadline: ExchangeMachine.Deadline) -> Duration { Self.limit(&machine, deadline) }

        /// Whether this is the first response of this generation of the backend.
        var provesBackend: Bool { Self.provesBackend(&machine) }

        // Static functions with `inout` avoid a copy of the machine, and a retain of its contents, at every step.

        private static func next(
            _ machine: inout ExchangeMachine, _ client: Readiness, _ upstream: Readiness
        ) -> (step: ExchangeMachine.Step, hasLocalReply: Bool) {
            (machine.next(client: client, upstream: upstream), machine.hasLocalReply)
        }

        private static func provesBackend(_ machine: inout ExchangeMachine) -> Bool { machine.provesBackend }

        private static func limit(
            _ machine: inout ExchangeMachine, _ deadline: ExchangeMachine.Deadline
        ) -> Duration { machine.limit(of: deadline) }

        private static func wanted(_ machine: inout ExchangeMachine, _ client: Readiness) -> ArmedDeadline? {
            guard let deadline = machine.deadline(client: client) else { return nil }
            return ArmedDeadline(deadline: deadline, request: machine.requestCount, moved: machine.moved)
        }
    }
}
