/// Deadlines of an open tunnel.
///
/// A deadline is a function of the tunnel's state. After each turn the relay compares it with the deadline that the
/// timer is armed for and rearms the timer if they differ. No transition arms a timer itself. Therefore none can forget
/// it, including frames that arrive with a head and events from another thread.
extension Tunnel {
    /// The current deadline, derived from the state alone. nil: no limit applies.
    ///
    /// Inlined because it runs for every message, and a call would copy the tunnel.
    @inline(__always)
    var deadline: Deadline? {
        switch closeHandshake {
        case .scheduled: .closeDelay
        case .pending, .sent, .failed: .closeHandshake
        case .none: hasEndedSide ? .progress : down.pending.isEmpty ? nil : .stall
        }
    }

    /// Whether the timer must be rearmed. A timer for an obsolete deadline is left to fire: most tunnels end earlier.
    @inline(__always)
    var needsTimer: Bool {
        let wanted = deadline
        return wanted != nil && wanted != armed
    }

    /// Returns the deadline to arm the timer for and marks it as armed. nil: the timer is already right.
    mutating func deadlineToArm() -> Deadline? {
        guard let wanted = deadline, wanted != armed else { return nil }
        armed = wanted
        movedWhenArmed = moved(for: wanted)
        return wanted
    }

    /// One side has ended its direction, sent a close frame (RFC 6455, 5.5.1) or accepts no more bytes.
    @inline(__always)
    private var hasEndedSide: Bool {
        !(up.isOpen && down.isOpen) || client.readiness.contains(.peerEnded)
            || upstream.readiness.contains(.peerEnded)
            || clientFrames?.hasSeenClose ?? false || serverFrames?.hasSeenClose ?? false
    }

    /// Bytes accepted by the sinks that count for this deadline, modulo 2^32.
    func moved(for deadline: Deadline) -> UInt32 {
        switch deadline {
        case .closeDelay, .closeHandshake: 0
        case .progress: up.moved &+ down.moved
        case .stall: down.moved
        }
    }
}
