/// What counts as use of a backend.
enum IdleWhen: String, CaseIterable, Sendable {
    /// Every request in progress and every open tunnel.
    case noConnections = "no_connections"
    /// Requests in progress, and tunnels whose client sends text or binary frames. Pings, pongs and the server's frames
    /// do not count: Action Cable pings every 3 s even without a user.
    case noClientData = "no_client_data"
}

/// Timing and limits of a backend; the defaults are those of the configuration.
struct BackendPolicy: Equatable, Sendable {
    /// From spawn to ready; then the start fails and queued requests are refused.
    var startupTimeout: Duration = .seconds(30)
    /// The check that decides when it is ready.
    var readiness = ReadinessCheck.tcp
    /// From the end of the last connection or request to the stop; nil never stops it.
    var idleTimeout: Duration? = .seconds(15 * 60)
    var idleWhen = IdleWhen.noConnections
    /// A cable's clients stay connected while it sleeps, and hold no lease while they can be restored.
    var isBehindHibernatingCable = false
    /// Tunnels or upstreams without a lease may be open: data keeps it awake, and they are closed before it stops.
    var hasUncountedConnections: Bool { idleWhen == .noClientData || isBehindHibernatingCable }
    /// Minimum time from ready to an idle stop.
    var minimumUptime: Duration = .zero
    /// Minimum time from an idle stop to the next start by a request.
    var minimumSleep: Duration = .zero
    /// Close frames of an idle stop are spread over this time.
    var closeJitter: Duration = .seconds(1)
    /// For stops with requests in progress: how long they may take before the process is signalled.
    var drainTimeout: Duration = .seconds(10)
    var stopPlan = StopPlan.politely(for: .seconds(10))
    /// Maximum of queued requests; more are refused with 503.
    var maximumQueue = 256
    /// Whether it starts with the daemon and never idles out.
    var alwaysOn = false
    /// Whether it restarts after it has exited by itself; otherwise only on demand.
    var restarts = true
    var backoff = RestartBackoff()
    /// Names of the backends that must be ready before it starts, and may idle out only after it.
    var requires: [String] = []

    /// Whether it starts again by itself after a crash or a backoff.
    var comesBack: Bool { alwaysOn && restarts }
}
