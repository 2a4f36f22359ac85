/// What keeps a backend awake.
enum IdleWhen: String, CaseIterable, Sendable {
    /// Every request in progress and every open tunnel.
    case noConnections = "no_connections"
    /// Requests in progress, and tunnels whose client sends text or binary frames. Pings, pongs and whatever the server
    /// says do not count: an Action Cable server pings every three seconds whether anybody is there or not.
    case noClientData = "no_client_data"
}

/// The numbers a backend lives by. The defaults here are the defaults of the configuration.
struct BackendPolicy: Equatable, Sendable {
    /// From spawn to the first successful readiness probe; then the waiting clients are refused.
    var startupTimeout: Duration = .seconds(30)
    /// What it has to show until then.
    var readiness = ReadinessCheck.tcp
    /// From the end of the last connection or request to the stop; nil never stops it.
    var idleTimeout: Duration? = .seconds(15 * 60)
    var idleWhen = IdleWhen.noConnections
    /// However quiet it is, an idle backend is not stopped before it has been ready for this long.
    var minimumUptime: Duration = .zero
    /// After an idle stop no request wakes it for this long.
    var minimumSleep: Duration = .zero
    /// Close frames to tunnels that an idle stop ends are spread over this long.
    var closeJitter: Duration = .seconds(1)
    /// When a stop does not wait for idleness: how long requests in progress may take before the process is told.
    var drainTimeout: Duration = .seconds(10)
    var stopPlan = StopPlan.politely(for: .seconds(10))
    /// Clients held while the backend is down; more are refused with 503.
    var maximumQueue = 256
    /// Started with the daemon and never idled out.
    var alwaysOn = false
    /// Started again after it has ended by itself; off, its end is final until somebody asks for it.
    var restarts = true
    var backoff = RestartBackoff()
    /// The backends that are made ready before it starts and may idle out only after it, by name.
    var requires: [String] = []

    /// Whether it needs nobody to come back after a crash or a rest.
    var comesBack: Bool { alwaysOn && restarts }
}
