/// One direction of a tunnel: what waits, whether its source has ended, and whether its sink knows.
///
/// What it wants is computed from these, never remembered beside them.
struct RelayDirection {
    /// What the sink would not take. While it is not empty nothing more is read: that is the whole backpressure, and
    /// the bound is one read.
    var pending = ByteQueue()
    /// Bytes the sink has taken, so that who is slow, yet takes some, is not taken for one who stalls.
    var moved: UInt32 = 0
    private var flags: Flags = []

    /// In one byte, because an idle tunnel consists of little else.
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
    /// The source sends faster than it may; a timer ends this.
    var isPaused: Bool {
        get { flags.contains(.heldBack) }
        set { set(.heldBack, newValue) }
    }
    /// We told the sink that nothing more comes.
    var sinkEnded: Bool {
        get { flags.contains(.sinkEnded) }
        set { set(.sinkEnded, newValue) }
    }
    /// The last read held many small frames: the next ones are small.
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
    /// What is read goes straight on.
    var isFlowing: Bool { pending.isEmpty && flags.isDisjoint(with: .stopped) }
    var isFinished: Bool { sinkEnded }
    /// Its source may say more, and its sink may be told.
    var isOpen: Bool { !sourceEnded && !sinkEnded }
    /// How much is read at most, unless the sink is known to take more.
    var ordinaryRead: Int { readsSmall ? Limits.smallReadBytes : Limits.readBufferBytes }
}
