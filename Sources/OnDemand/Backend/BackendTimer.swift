/// The timers of a backend's machine; at most one of each kind is armed.
enum BackendTimer: Hashable, Sendable {
    case startup, idle, stopStep, backoffTimer
}
