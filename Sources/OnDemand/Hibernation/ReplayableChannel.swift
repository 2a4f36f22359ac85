/// A channel of the backend whose subscriptions can be made again after the backend has slept (`hibernate.channels`).
struct ReplayableChannel: Equatable, Sendable {
    /// The name of the Ruby class.
    let name: [UInt8]
    /// Performing an action leaves no state behind that a new subscription would not have.
    var hasStatelessActions = false
    /// The streams that the channel streams from; empty: nothing that other processes publish. nil: not known, so the
    /// daemon cannot deliver their messages while the backend sleeps.
    var streams: [StreamTemplate]?
}
