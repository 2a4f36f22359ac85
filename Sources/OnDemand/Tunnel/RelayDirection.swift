/// One direction of a tunnel: pending bytes, whether the source has ended, and whether the sink was closed.
///
/// Wanted events are computed from this state, never stored.
struct RelayDirection {
    /// Bytes that the sink has not accepted. While there are any nothing more is read: this is the whole backpressure,
    /// bounded by one read.
    var pending = ByteQueue()
    /// Bytes that the sink has accepted; progress distinguishes a slow sink from a stalled one.
    var moved: UInt32 = 0
    private var flags: Flags = []

    /// One byte, because idle tunnels should be small.
    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let sourceEnded = Flags(rawValue: 1)
        static let heldBack = Flags(rawValue: 2)
        static let sinkEnded = Flags(rawValue: 4)
        static let readsSmall = Flags(rawValue: 8)
        static let stopped: Flags = [.sourceEnded, .heldBack, .sinkEnded]
    }

    var sourceEnded: Bool {
        get { flags.contains(.sourceEnded) }
        set { set(.sourceEnded, newValue) }
    }
    /// Whether the source is over its rate limit; a timer resets it.
    var isPaused: Bool {
        get { flags.contains(.heldBack) }
        set { set(.heldBack, newValue) }
    }
    /// Whether our side of the sink was closed.
    var sinkEnded: Bool {
        get { flags.contains(.sinkEnded) }
        set { set(.sinkEnded, newValue) }
    }
    /// Whether the last read held many small frames; the next reads then use the small buffer.
    var readsSmall: Bool {
        get { flags.contains(.readsSmall) }
        set { set(.readsSmall, newValue) }
    }

    private mutating func set(_ flag: Flags, _ isSet: Bool) {
        if isSet { flags.insert(flag) } else { flags.remove(flag) }
    }

    var wantsToRead: Bool { !sourceEnded && pending.isEmpty && !isPaused }
    var wantsToWrite: Bool { !pending.isEmpty }
    var wantsToEndSink: Bool { sourceEnded && pending.isEmpty && !sinkEnded }
    /// Whether read bytes are forwarded at once.
    var isFlowing: Bool { pending.isEmpty && flags.isDisjoint(with: .stopped) }
    var isFinished: Bool { sinkEnded }
    /// Whether neither the source nor the sink has ended.
    var isOpen: Bool { !sourceEnded && !sinkEnded }
    /// Size of a read, unless the sink is known to accept more.
    var ordinaryRead: Int { readsSmall ? Limits.smallReadBytes : Limits.readBufferBytes }
}
