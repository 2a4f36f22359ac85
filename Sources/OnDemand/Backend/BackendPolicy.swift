/// The numbers a backend lives by. The defaults here are the defaults of the configuration.
struct BackendPolicy: Equatable, Sendable {
    /// From spawn to the first successful readiness probe; then the waiting clients are refused.
    var startupTimeout: Duration = .seconds(30)
    /// From the end of the last connection or request to the stop; nil never stops it.
    var idleTimeout: Duration? = .seconds(15 * 60)
    var stopPlan = StopPlan.politely(for: .seconds(10))
    /// Clients held while the backend is down; more are refused with 503.
    var maximumWaiting = 256
    /// Started with the daemon and never idled out.
    var alwaysOn = false
    var backoff = RestartBackoff()
}
