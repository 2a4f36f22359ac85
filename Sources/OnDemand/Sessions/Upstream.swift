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
    /// Bytes that were read and are not handled yet; only a flood leaves any.
    var unhandled: [UInt8] = []
    /// Among `unsent` are commands whose effect the client waits for; stays when they cannot be sent.
    var hasUnsentCommands = false
    /// It was closed with a command in flight, and its close frame has not come back.
    var hasCommandInFlight = false
    /// The backend's process tree is gone: what it has sent is read, and nothing more is awaited.
    var isOrphaned = false
    /// When the backend accepted a connection that was made again.
    var opened: Instant?
    /// A send has failed: a part of a frame may be missing.
    var isBroken = false
    /// `Sec-WebSocket-Key` of this connection.
    let key: [UInt8]
    /// A message has arrived.
    var hasSpoken = false
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

    /// A backend that pings and has been silent for three of its intervals is gone; so is one that has accepted the
    /// client and says nothing at all. One that never pings may be silent behind its first message.
    func isSilent(at now: Instant) -> Bool {
        guard stage == .open, pinged != nil || !hasSpoken else { return false }
        let limit = pingInterval.map { max($0 * 3, Limits.upstreamSilence) } ?? Limits.upstreamFirstSilence
        return now - heard >= limit
    }

    func notePing(at now: Instant) {
        if let pinged { pingInterval = now - pinged }
        pinged = now
    }
}
