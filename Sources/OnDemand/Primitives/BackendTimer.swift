/// What a backend's machine waits for, by purpose: at most one timer of each is armed.
enum BackendTimer: Hashable, Sendable {
    case startup, idle, stopStep, backoffTimer
}
