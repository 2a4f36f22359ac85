/// One direction of a tunnel: pending bytes, whether the source has ended, and whether the sink was closed.
///
/// Wanted events are computed from this state, never stored.
struct TunnelDirection {
    /// Bytes that the sink has not accepted. While there are any nothing more is read: this is the whole backpressure,
    /// bounded by one read.
    var pending = ByteQueue()
    /// Bytes that the sink has accepted; progress distinguishes a slow sink from a stalled one.
    var moved: UInt32 = 0
    private var source = Source.open(.ordinary)
    /// Our side of the sink was closed.
    var sinkEnded = false

    /// One byte, because idle tunnels should be small.
    private enum Source {
        case open(ReadSize)
        /// Over its rate limit; a timer resumes it.
        case paused(ReadSize)
        case ended
    }

    private enum ReadSize {
        case ordinary
        /// The last read held many small frames, so the next reads use the small buffer.
        case small
    }

    var sourceEnded: Bool { if case .ended = source { true } else { false } }
    var isPaused: Bool { if case .paused = source { true } else { false } }
    var readsSmall: Bool {
        switch source {
        case .open(.small), .paused(.small): true
        case .open(.ordinary), .paused(.ordinary), .ended: false
        }
    }

    mutating func endSource() { source = .ended }

    mutating func pause() { if case .open(let size) = source { source = .paused(size) } }

    mutating func resume() { if case .paused(let size) = source { source = .open(size) } }

    /// Chooses the size of the next reads.
    @inline(__always)
    mutating func read(small: Bool) {
        let size: ReadSize = small ? .small : .ordinary
        switch source {
        case .open: source = .open(size)
        case .paused: source = .paused(size)
        case .ended: break
        }
    }

    var wantsToRead: Bool { isReading && pending.isEmpty }
    var wantsToWrite: Bool { !pending.isEmpty }
    var wantsToEndSink: Bool { sourceEnded && pending.isEmpty && !sinkEnded }
    /// Whether read bytes are forwarded at once.
    var isFlowing: Bool { pending.isEmpty && isReading && !sinkEnded }
    private var isReading: Bool { if case .open = source { true } else { false } }
    var isFinished: Bool { sinkEnded }
    /// Whether neither the source nor the sink has ended.
    var isOpen: Bool { !sourceEnded && !sinkEnded }
    /// Size of a read, unless the sink is known to accept more.
    var ordinaryRead: Int { readsSmall ? Limits.smallReadBytes : Limits.readBufferBytes }
}
