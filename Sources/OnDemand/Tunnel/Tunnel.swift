/// An open tunnel: all state that is kept for it.
///
/// A plain value in a slab, so its size is the cost of an idle WebSocket. The order of the members avoids padding, and
/// a test checks the sum.
struct Tunnel {
    /// Client to backend.
    var up = TunnelDirection()
    /// The backend ended without a close frame, and the daemon sent one in its place.
    var sentCloseForBackend = false
    /// The share of a turn was used up. The tunnel is resumed in the next turn.
    var isBusy = false
    /// Generation of the slot, for tokens. 0: no tunnel is open at this slot.
    var generation: UInt32 = 0
    /// Backend to client.
    var down = TunnelDirection()
    /// The lease was returned: this tunnel does not keep its backend awake.
    var isUncounted = false
    /// The upstream is closed, and its use has ended. The client's end of the close handshake is awaited.
    var isReleased = false
    /// `moved` at the time the timer was armed, for comparison when it fires.
    var movedWhenArmed: UInt32 = 0
    /// The deadline that the timer is armed for. nil: not armed.
    var armed: Deadline?
    var closeHandshake = CloseHandshake.none
    /// The first protocol violation, until it is logged. nil: none.
    var protocolViolation: ProtocolViolation?
    /// The backend's process has exited or reads no more. The tunnel ends after its last bytes are relayed.
    var backendIsGone = false
    /// Frame boundaries of each direction. nil: after a protocol violation.
    var clientFrames: FrameTracker?
    /// The client sent a text or binary frame since the flag was last cleared.
    var hasClientData = false
    var serverFrames: FrameTracker?
    /// Where it comes from, and where it is counted.
    var admission: Admission
    var client: ConnectedSocket
    var upstream: ConnectedSocket
    /// The generation of the backend that this tunnel uses, or has used.
    let lease: Lease
    /// Message rate limit of the client. nil: unlimited.
    var rateLimiter: RateLimiter?

    init(client: ConnectedSocket, upstream: ConnectedSocket, lease: Lease, admission: Admission) {
        self.client = client
        self.upstream = upstream
        self.lease = lease
        self.admission = admission
    }

    /// Content of a slot without a tunnel.
    static var vacant: Tunnel {
        let lease = Lease(backend: BackendID(index: 0), generation: Generation(number: 0))
        return Tunnel(client: .none, upstream: .none, lease: lease, admission: .none)
    }

    var isOpen: Bool { generation != 0 }

    /// The lease, until the use of the backend has ended.
    var heldLease: Lease? { isOpen && !isReleased ? lease : nil }

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
        /// One side has ended: bytes must move in some direction.
        case progress
        /// Bytes are pending for the client, which must accept some.
        case stall
    }

    struct ProtocolViolation: Equatable {
        let side: Peer
        let violation: FrameViolation
    }
}
