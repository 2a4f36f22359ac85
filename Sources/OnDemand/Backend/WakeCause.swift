/// Why a backend was started, as the status counts it.
enum WakeCause: String, CaseIterable, Sendable {
    case upgrade, request
    /// A message or a subscription of a cable's client.
    case command, subscription
    case `operator`
    case alwaysOn = "always_on"
    /// Another backend requires it.
    case required
}
