/// A client's way to the backend: the machine that decides, the request that is repeated, and the connection.
///
/// A class of its own, because clients that the cable serves alone need none of it.
final class Relay {
    var machine: RelayMachine
    /// Whether the backend has chosen a subprotocol; nil before its first response.
    var hasSubprotocol: Bool?
    /// The last upstreams in a row that the backend has ended at once.
    var shortUpstreams: UInt8 = 0
    let backend: BackendID
    private(set) var head: RepeatedHead
    /// Seconds, rounded up. Of 32 bits, and where they fill a gap: a hibernating client has little else.
    private let beganSeconds: UInt32
    /// The client's own, for the log lines of a start.
    let path: String
    /// Empty while the client waits for nothing. An array, because an empty one costs a pointer.
    private var waits: [Waits] = []
    var link = Link.none

    private struct Waits {
        var held: [RelayMachine.Event] = []
        var fences: [[UInt8]: UInt64] = [:]
        var wakeDeadline: Instant?

        var isEmpty: Bool { held.isEmpty && fences.isEmpty && wakeDeadline == nil }
    }

    enum Link {
        case none
        /// The backend is starting.
        case queued(Ticket)
        /// The timer begins the next attempt.
        case paused
        case connected(Upstream)
    }

    init(
        _ machine: RelayMachine, backend: BackendID, head: RepeatedHead, path: String, began: Instant
    ) {
        self.machine = machine
        self.backend = backend
        self.head = head
        self.path = path
        beganSeconds = UInt32(truncatingIfNeeded: (began.nanoseconds + 999_999_999) / 1_000_000_000)
    }

    deinit { head.wipe() }

    var began: Instant { Instant(nanoseconds: 0) + .seconds(beganSeconds) }

    /// Commands of an attached client that wait until other clients are restored. It is not read meanwhile.
    var held: [RelayMachine.Event] {
        get { waits.first?.held ?? [] }
        set { change { $0.held = newValue } }
    }

    /// The last fence of each subscription whose delivery by the cable is about to end.
    var fences: [[UInt8]: UInt64] {
        get { waits.first?.fences ?? [:] }
        set { change { $0.fences = newValue } }
    }

    /// The end of the present attempt to reach the backend; nil while there is none.
    var wakeDeadline: Instant? {
        get { waits.first?.wakeDeadline }
        set { change { $0.wakeDeadline = newValue } }
    }

    private func change(_ body: (inout Waits) -> Void) {
        var changed = waits.first ?? Waits()
        body(&changed)
        waits = changed.isEmpty ? [] : [changed]
    }

    var upstream: Upstream? { if case .connected(let upstream) = link { upstream } else { nil } }
}
