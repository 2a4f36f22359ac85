/// Where a request goes. Closed on purpose: a new kind of destination makes the compiler list what it must answer.
enum Destination: Hashable, Sendable {
    case backend(BackendID)
    /// The service's ENABLE flag is off: answered at once, nothing is ever started.
    case disabled(BackendID)
}
