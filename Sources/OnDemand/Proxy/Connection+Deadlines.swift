/// What an open tunnel waits for with a limit.
///
/// A deadline is a function of the link's state. After each turn the proxy compares it with the one that the tunnel's
/// timer is armed for, and arms the timer anew where they differ. No transition arms a timer by itself, so none can
/// forget it: not the one from a frame that came in one piece with a head, nor one from an event on another thread.
extension Connection {
    /// The wait that has a limit, as it follows from the state alone: so nothing that comes about in one
    /// piece with the heads, in a read or in an order goes without its timer.
    ///
    /// Every message comes by here: called instead of written in its place, the link would be copied for it.
    @inline(__always)
    var deadline: Deadline? {
        switch closeHandshake {
        case .planned: .leave
        case .wanted, .said, .failed: .closeHandshake
        case .none: hasEndedSide ? .progress : down.pending.isEmpty ? nil : .stall
        }
    }

    /// A deadline that no longer counts is left to fire: mostly the tunnel ends before.
    @inline(__always)
    var needsTimer: Bool {
        let wanted = deadline
        return wanted != nil && wanted != armed
    }

    /// The deadline to arm the timer for, which is taken for armed from here on; nil where the timer is right as it is.
    mutating func deadlineToArm() -> Deadline? {
        guard let wanted = deadline, wanted != armed else { return nil }
        armed = wanted
        movedWhenArmed = moved(for: wanted)
        return wanted
    }

    /// One side sends nothing more, by its end or by its close frame (RFC 6455, 5.5.1), or takes nothing more.
    @inline(__always)
    private var hasEndedSide: Bool {
        !(up.isOpen && down.isOpen) || client.readiness.contains(.peerEnded)
            || upstream?.readiness.contains(.peerEnded) ?? false
            || clientFrames?.hasSeenClose ?? false || serverFrames?.hasSeenClose ?? false
    }

    /// Bytes that the sinks have taken, as far as they count for a deadline.
    func moved(for deadline: Deadline) -> UInt32 {
        switch deadline {
        case .leave, .closeHandshake: 0
        case .progress: up.moved &+ down.moved
        case .stall: down.moved
        }
    }
}
