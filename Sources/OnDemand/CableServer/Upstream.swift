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

    private(set) var descriptor = Descriptor(raw: -1)
    /// For tokens.
    private(set) var number: UInt32 = 0
    private(set) var generation = Generation(number: 0)
    var readiness: Readiness = []
    /// A lease is held.
    var isCounted = true
    /// Bytes that were read and are not handled yet; only a flood leaves any.
    var unhandled: [UInt8] = []
    /// Among `unsent` are client commands whose effect the client waits for; stays when they cannot be sent.
    var hasUnsentCommands = false
    /// It was closed with a command in flight, and its close frame has not come back.
    var hasCommandInFlight = false
    /// The backend's process tree is gone: what it has sent is read, and nothing more is awaited.
    var isOrphaned = false
    /// A send has failed: a part of a frame may be missing.
    var isBroken = false
    /// A message has arrived.
    var hasSpoken = false
    var stage = Stage.connecting
    var assembler = MessageAssembler()
    var unsent = ByteQueue()
    /// `Sec-WebSocket-Key` of this connection.
    private(set) var key: [UInt8] = []
    /// When the backend accepted a connection that was made again.
    var opened: Instant?
    /// When the last bytes arrived.
    var heard = Instant(nanoseconds: 0)
    private var pings = Pings.none

    private enum Pings {
        case none
        case one(Instant)
        /// The last one, and the time between the last two.
        case several(Instant, intervalMilliseconds: UInt32)
    }

    /// Called once, on one that `UpstreamReserve` has made.
    func begin(
        _ descriptor: Descriptor, number: UInt32, generation: Generation, stage: Stage, unsent: ByteQueue, key: [UInt8],
        at now: Instant
    ) {
        self.descriptor = descriptor
        self.number = number
        self.generation = generation
        self.stage = stage
        self.unsent = unsent
        self.key = key
        heard = now
    }

    deinit { wipeRequest() }

    /// What the socket has not taken of the request, cookies included, is overwritten when it is not needed any more.
    func wipeRequest() {
        switch stage {
        case .connecting, .handshaking: unsent.wipe()
        case .open, .closing: break
        }
    }

    /// A backend that pings and has been silent for three of its intervals is gone; so is one that has accepted the
    /// client and says nothing at all. One that never pings may be silent behind its first message.
    func isSilent(at now: Instant) -> Bool {
        guard stage == .open else { return false }
        return switch pings {
        case .none: !hasSpoken && now - heard >= Limits.upstreamFirstSilence
        case .one: now - heard >= Limits.upstreamFirstSilence
        case .several(_, let interval):
            now - heard >= max(.milliseconds(interval) * 3, Limits.upstreamSilence)
        }
    }

    func notePing(at now: Instant) {
        switch pings {
        case .none: pings = .one(now)
        case .one(let last), .several(let last, _):
            let interval = (now.nanoseconds - last.nanoseconds) / 1_000_000
            pings = .several(now, intervalMilliseconds: UInt32(clamping: interval))
        }
    }
}
