/// The timers of one run of a command; at most one of each kind is armed.
enum RunTimer: UInt8, CaseIterable, Hashable, Sendable {
    /// The run has lasted too long.
    case timeout
    case stopStep
    /// The shutdown waits no longer.
    case kill
    /// The next message, the next read, or the end of the wait for a subscriber.
    case output
}
