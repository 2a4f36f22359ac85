/// A listening socket, what its clients may ask for, and whether it rests.
struct Listener {
    /// nil while the listener is lost: its socket was shut down from outside.
    var descriptor: Descriptor?
    let address: SocketAddress
    var purpose: ListenerSpec.Purpose
    /// For those who come from now on.
    var rules: ExchangeRules
    /// Opened by the manager, who keeps it for the next daemon: closed here, and its file is left alone.
    var isInherited = false
    /// Unlike its place in the list it is nobody else's, ever.
    var number: UInt32 = 0
    var crowd = ConnectionLimiter()
    /// The process or the machine ran out of descriptors or memory; a timer ends the pause.
    var isPaused = false
    /// The log has told of the pause, and not yet of its end: one pause is followed by another while nothing changes.
    var isStarved = false
    /// The pause before the next attempt to open a lost listener again.
    var reopenPause = Limits.reopenPauseFirst
}
