/// What a backend was started for, as the status counts it.
enum WakeCause: String, CaseIterable, Sendable {
    case upgrade, request
    case `operator`
    case alwaysOn = "always_on"
    /// Another backend needs it.
    case required
}
