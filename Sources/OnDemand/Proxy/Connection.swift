/// One client's connection and, while it has one, its backend's: everything the proxy keeps about it.
///
/// A plain value in a slab. Before the tunnel the conversation hangs on it; in a tunnel this is all there is, so its
/// size is what an idle WebSocket costs: the members stand in the order that leaves few gaps, and a test has the sum.
struct Connection {
    /// Heads, bodies and deadlines; gone once the tunnel is open.
    var session: HTTPSession?
    /// Client to backend.
    var up = RelayDirection()
    /// The backend ended without a goodbye, and the client has been told in its name.
    var sentCloseForBackend = false
    /// Its share of a turn was used up, and it is resumed in the next one.
    var isBusy = false
    /// The generation of this link's slot, for tokens.
    var generation: UInt32 = 0
    /// Backend to client.
    var down = RelayDirection()
    /// The lease has been given back: the tunnel lasts no longer than the backend's own reasons to stay awake.
    var isUncounted = false
    /// What had moved when the timer was armed.
    var movedWhenArmed: UInt32 = 0
    /// The deadline that the timer is armed for; nil while it is not.
    var armed: Deadline?
    var closeHandshake = CloseHandshake.none
    /// Who broke which rule, until the proxy has taken note.
    var protocolViolation: ProtocolViolation?
    /// The backend's process is gone, or reads no more: when what it said has been passed on, the tunnel is over.
    var backendIsGone = false
    /// Where frames begin and end in what each side sends; nil once a side broke the rules.
    var clientFrames: FrameTracker?
    /// The client sent a text or binary frame since the flag was last lowered: somebody is there.
    var hasClientData = false
    var serverFrames: FrameTracker?
    /// Where it comes from, and where it is counted.
    var admission = Admission.none
    var client: Endpoint
    var upstream: Endpoint?
    /// What keeps the backend awake.
    var lease: Lease?
    /// How fast the client may send, where that is limited.
    var rateLimiter: RateLimiter?

    init(client: Endpoint) { self.client = client }

    /// Makes a vacant link that of a client; the rest of it is right as it is.
    mutating func begin(_ client: Endpoint, _ session: HTTPSession, generation: UInt32, _ admission: Admission) {
        self.client = client
        self.session = session
        self.generation = generation
        self.admission = admission
    }

    /// Stands where there is no link.
    static var empty: Connection { Connection(client: .init(descriptor: Descriptor(raw: -1))) }

    struct Endpoint {
        let descriptor: Descriptor
        /// Tells the connections apart that a link has had to its backend, one after the other.
        var number: UInt32 = 0
        var readiness: Readiness = []
    }

    /// How the daemon takes its leave when it ends a tunnel itself (RFC 6455, 7.1).
    enum CloseHandshake: Equatable {
        case none
        /// A timer will ask for it, so that many clients do not come back at one moment.
        case planned(CloseCode)
        /// To be said as soon as no frame of the backend's is half sent.
        case wanted(CloseCode)
        /// The close frame is on its way; nothing else follows it, and the client has a moment to answer.
        case said
        /// The connection is failed (RFC 6455, 7.1.7): the end of our direction follows right behind the close frame.
        /// What the client sends is discarded until its own end: so many kibibytes so far, each read counting as one at
        /// least.
        case failed(discarded: UInt16)

        /// No byte of the backend's follows any more.
        var isSaid: Bool {
            switch self {
            case .none, .planned, .wanted: false
            case .said, .failed: true
            }
        }

        /// What a close frame with this code begins.
        init(saying code: CloseCode) { self = code.failsConnection ? .failed(discarded: 0) : .said }
    }

    /// What an open tunnel waits for with a limit.
    enum Deadline: Equatable {
        /// The moment that was drawn for a planned close frame.
        case leave
        /// From the wish for a close frame to the client's end.
        case closeHandshake
        /// One side has ended: bytes have to move in either direction.
        case progress
        /// Bytes wait for the client, which has to take some.
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

    /// What the HTTP part of a connection needs.
    final class HTTPSession {
        var machine: ExchangeMachine
        /// Of the listener that it came through.
        let purpose: ListenerSpec.Purpose
        /// The deadline that is armed, and for which request.
        var armed: ArmedDeadline?
        /// The life of a backend that the link's connection without a request belongs to; no lease is held for it.
        var idleUpstream: Lease?
        /// While it waits for a backend.
        var ticket: (number: Ticket, backend: BackendID)?

        struct ArmedDeadline: Equatable {
            let deadline: ExchangeMachine.Deadline
            let request: Int
            /// What had moved when it was armed; a head's deadline does not wait for it.
            let moved: Int
        }

        init(machine: consuming ExchangeMachine, purpose: ListenerSpec.Purpose) {
            self.machine = machine
            self.purpose = purpose
        }

        /// The next step, and whether something that was said before is still to be noted.
        func next(client: Readiness, upstream: Readiness) -> (step: ExchangeMachine.Step, hasLocalReply: Bool) {
            Self.next(&machine, client, upstream)
        }

        /// The deadline that is right now, given what the client's socket allows.
        func wanted(client: Readiness) -> ArmedDeadline? { Self.wanted(&machine, client) }

        func limit(of deadline: ExchangeMachine.Deadline) -> Duration { Self.limit(&machine, deadline) }

        /// Whether what comes back is the first answer of this life of the backend.
        var provesBackend: Bool { Self.provesBackend(&machine) }

        // Asked in place: for a question to a property of a class the machine would be copied, and all that it holds
        // be retained, at every step.

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
