/// A listening socket with its purpose and its state.
struct Listener {
    /// nil: the socket was shut down from outside.
    var descriptor: Descriptor?
    let address: SocketAddress
    var purpose: ListenerSpec.Purpose
    /// Rules for new connections.
    var rules: ExchangeRules
    /// Opened by the service manager, which keeps it for the next daemon. The daemon closes its descriptor and keeps a socket file.
    var isInherited = false
    /// Unique for the life of the daemon, unlike the index in the list.
    var number: UInt32 = 0
    var limiter = ConnectionLimiter()
    /// The process or the machine is out of descriptors or memory. A timer ends the pause.
    var isPaused = false
    /// The pause is logged, its end is not. Consecutive pauses are logged once.
    var isStarved = false
    /// Delay before the next attempt to reopen a lost listener.
    var reopenPause = Limits.reopenPauseFirst
}
