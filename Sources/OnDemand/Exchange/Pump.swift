/// One direction of a tunnel: what waits, whether its source has ended, and whether its sink knows.
///
/// What it wants is computed from these, never remembered beside them.
struct Pump {
    /// What the sink would not take. While it is not empty nothing more is read: that is the whole backpressure, and
    /// the bound is one read.
    var pending = ByteQueue()
    /// Bytes the sink has taken, so that who is slow, yet takes some, is not taken for one who stalls.
    var moved: UInt32 = 0
    var sourceEnded = false
    /// The source sends faster than it may; a timer ends this.
    var isHeldBack = false
    /// We told the sink that nothing more comes.
    var sinkEnded = false

    var wantsToRead: Bool { !sourceEnded && pending.isEmpty && !isHeldBack }
    var wantsToWrite: Bool { !pending.isEmpty }
    var wantsToEndSink: Bool { sourceEnded && pending.isEmpty && !sinkEnded }
    /// What is read goes straight on.
    var isFlowing: Bool { pending.isEmpty && !sourceEnded && !isHeldBack && !sinkEnded }
    var isFinished: Bool { sinkEnded }
    /// Its source may say more, and its sink may be told.
    var isOpen: Bool { !sourceEnded && !sinkEnded }
}
