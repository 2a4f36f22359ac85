/// Everything an operator can say, as plain values with every default visible.
struct Configuration: Equatable, Sendable {
    var listen: [SocketAddress] = []
    /// Those of them whose connections begin with a PROXY header.
    var proxyProtocol: [SocketAddress] = []
    /// Names of sockets that the manager opens for us (`fd:NAME` in `listen`).
    var inherited: [String] = []
    /// Those of them whose connections begin with a PROXY header.
    var announcedNames: [String] = []
    var status: Status?
    /// Where the history is kept beyond the daemon's own end.
    var stateDirectory: String?
    /// The Unix socket on which operators give orders.
    var control: SocketAddress?
    var services: [Service] = []
    var processes: [Process] = []
    var cables: [Cable] = []
    var log = Log()
    var limits = PeerLimits()
    /// The neighbours whose word about a client is taken.
    var trustedProxies = TrustedProxies()
    /// Whether backends are told that a request came through here.
    var via = false
    /// Threads that carry tunnels; the first does everything else as well. Of the daemon that runs, whatever has been
    /// read since.
    var threads = 1
    /// At a shutdown: how long requests may take to finish before they are cut.
    var drainTimeout: Duration = .seconds(10)
    /// At a shutdown, close frames to WebSockets are spread over this long.
    var closeJitter: Duration = .seconds(1)
    /// From `env_file`: set for every process, over the daemon's own variables and under those of the service.
    var environment: [LaunchCommand.Variable] = []

    /// A `reverse_proxies` entry. Who it is, its name says, also when the file is read again.
    struct Service: Equatable, Sendable {
        var name: String
        /// The ENABLE flag: off answers 503 and never starts anything.
        var enabled = true
        var paths: [PathPattern]
        var target: Target
        /// Whether a WebSocket upgrade may pass; a route without it relays plain HTTP only.
        var websocket = false
        /// Set on every forwarded request, replacing what the client sent under the same name.
        var headers: [HeaderTemplate] = []
        /// The pages that may open a WebSocket here.
        var origins: [OriginRule] = [.any]
        var limits = ServiceLimits()
        /// Absent: a plain proxy to something that already runs.
        var launch: LaunchCommand?
        var policy = BackendPolicy()
        /// Which requests may start it.
        var wakeOn = WakeRule.any
        /// What a reload that changes its process does to the one that runs.
        var onReload = OnReload.nextStart
    }

    enum OnReload: String, CaseIterable, Sendable {
        /// It runs on; the next one is what the configuration says.
        case nextStart = "next_start"
        case restart
    }

    /// A `managed_processes` entry: something to run that has no routes.
    struct Process: Equatable, Sendable {
        /// When it is started.
        enum Start: String, CaseIterable, Sendable {
            case withDaemon = "with_daemon"
            case whenRequired = "when_required"
        }

        var name: String
        var enabled = true
        var launch: LaunchCommand
        /// Where it accepts connections once it is ready; absent: it is ready as soon as it runs.
        var address: SocketAddress?
        /// From the daemon's start to its own.
        var startDelay: Duration = .zero
        var policy = BackendPolicy(alwaysOn: true)
        var onReload = OnReload.nextStart
    }

    struct Target: Equatable, Sendable {
        var address: SocketAddress
        /// `host:port` as written, for the `Host` of requests that bring none (HTTP/1.0).
        var authority: String
        /// Replaces the matched part of the request's path; absent: the request's own path travels on.
        var path: String?
    }

    struct Status: Equatable, Sendable {
        var listen: SocketAddress
        /// Who does not name it is told nothing but health and readiness.
        var token: BearerToken?
        /// What browsers may call it besides its address and `localhost`, in lower case.
        var names: [String] = []
    }

    struct Log: Equatable, Sendable {
        var level = LogLevel.info
        var format = LogFormat.auto
        /// Instead of standard error.
        var file: String?
        /// Of that file; then it is renamed and begun anew.
        var maximumBytes: UInt64 = 16 << 20
    }
}
