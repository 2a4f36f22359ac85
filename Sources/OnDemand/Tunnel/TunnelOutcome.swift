// The results of a tunnel's turn, for its relay.

/// How far one turn of a tunnel has come.
enum RelayProgress: Equatable {
    /// Waits for readiness of a socket.
    case rest
    /// The share of this turn is used up. The tunnel continues in the next turn.
    case more
    case over(TerminationReason)
}

/// The result of a socket event.
enum TunnelEventOutcome {
    /// The token belongs to an earlier tunnel or upstream.
    case stale
    /// No tunnel is open at this slot.
    case noTunnel
    case relayed(TunnelOutcome)
}

/// What a turn of a tunnel leaves for its relay to do.
struct TunnelOutcome {
    let progress: RelayProgress
    /// The client sent data through a tunnel that is not counted as a lease.
    let sawClientData: Bool
    let sentClose: Bool
    /// The backend ended without a close frame, and the daemon sent one in its place.
    let backendBroke: Bool
    /// A rare event: changed deadline, protocol violation, exceeded message rate or lost backend.
    let needsAttention: Bool

    static let nothing = TunnelOutcome(
        progress: .rest, sawClientData: false, sentClose: false, backendBroke: false, needsAttention: false)

    /// All available bytes were relayed, and nothing else is to be done.
    var isUneventful: Bool { progress == .rest && !sawClientData && !sentClose && !needsAttention }
}
