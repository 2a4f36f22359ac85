/// The whole configuration as plain values, including every default.
struct Configuration: Equatable, Sendable {
    var listen: [SocketAddress] = []
    /// Addresses of `listen` whose connections begin with a PROXY header.
    var proxyProtocol: [SocketAddress] = []
    /// Names of sockets inherited from systemd (`fd:NAME` in `listen`).
    var inherited: [String] = []
    /// Names of `inherited` whose connections begin with a PROXY header.
    var announcedNames: [String] = []
    var status: Status?
    /// Directory of the saved history; nil keeps it in memory only.
    var stateDirectory: String?
    /// Unix socket for operator commands; nil without one.
    var control: SocketAddress?
    var services: [Service] = []
    var processes: [Process] = []
    var cables: [Cable] = []
    var commands: [Command] = []
    var log = Log()
    var limits = PeerLimits()
    /// Peers whose forwarding headers are trusted.
    var trustedProxies = TrustedProxies()
    /// Whether forwarded requests get a `Via` field.
    var via = false
    /// Number of worker threads for tunnels, including the first, which does everything else too. Changing it needs a
    /// restart.
    var threads = 1
    /// At a shutdown: how long requests in progress may take before they are aborted.
    var drainTimeout: Duration = .seconds(10)
    /// At a shutdown: the time over which WebSocket close frames are spread.
    var closeJitter: Duration = .seconds(1)
    /// Variables of `env_file`, set for every process; they override the daemon's own and are overridden by the
    /// service's.
    var environment: [LaunchCommand.Variable] = []

    /// A `reverse_proxies` entry; its name identifies it across reloads.
    struct Service: Equatable, Sendable {
        var name: String
        /// Whether it is enabled; a disabled service answers 503 and never starts.
        var enabled = true
        var paths: [PathPattern]
        var target: Target
        /// Whether WebSocket upgrades are allowed; without it upgrade requests are relayed as plain HTTP.
        var websocket = false
        /// Fields set on every forwarded request; they replace the client's fields of the same name.
        var headers: [HeaderTemplate] = []
        /// The Origins that may open a WebSocket.
        var origins: [OriginRule] = [.any]
        var limits = ServiceLimits()
        /// The command to start; nil for a backend that the daemon does not manage.
        var launch: LaunchCommand?
        var policy = BackendPolicy()
        /// Which requests may start the backend.
        var wakeOn = WakeRule.any
        /// What a reload with a changed process does to the running one.
        var onReload = OnReload.nextStart
    }

    enum OnReload: String, CaseIterable, Sendable {
        /// The running process stays; the next start uses the new configuration.
        case nextStart = "next_start"
        case restart
    }

    /// A `managed_processes` entry: a process without routes.
    struct Process: Equatable, Sendable {
        /// When the process starts.
        enum Start: String, CaseIterable, Sendable {
            case withDaemon = "with_daemon"
            case whenRequired = "when_required"
        }

        var name: String
        var enabled = true
        var launch: LaunchCommand
        /// Where it accepts connections when ready; nil counts as ready once it runs.
        var address: SocketAddress?
        /// Delay from the daemon's start to the process's start.
        var startDelay: Duration = .zero
        var policy = BackendPolicy(alwaysOn: true)
        var onReload = OnReload.nextStart
    }

    struct Target: Equatable, Sendable {
        var address: SocketAddress
        /// `host:port` as written: the `Host` of requests without one (HTTP/1.0).
        var authority: String
        /// Replaces the matched part of the request's path; nil keeps the request's path.
        var path: String?
    }

    struct Status: Equatable, Sendable {
        var listen: SocketAddress
        /// Bearer token for all facts and commands; without it only `/healthz` and `/readyz` are served to such
        /// clients.
        var token: BearerToken?
        /// Allowed hosts besides addresses and `localhost`, in lower case.
        var names: [String] = []
    }

    struct Log: Equatable, Sendable {
        var level = LogLevel.info
        var format = LogFormat.auto
        /// Path of the log file; nil logs to standard error.
        var file: String?
        /// Size of the log file in bytes at which it is rotated.
        var maximumBytes: UInt64 = 16 << 20
    }
}
