/// Why a backend was started, as the status counts it.
enum WakeCause: String, CaseIterable, Sendable {
    case upgrade, request
    /// A client command of a cable that needs the backend: a `message` or a `subscribe`.
    case clientCommand = "command"
    case subscription
    case `operator`
    case alwaysOn = "always_on"
    /// Another backend requires it.
    case required
}
