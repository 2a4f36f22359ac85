/// Every key of the configuration: its object, type, default and meaning. The decoder and the JSON Schema for editors
/// use this table.
struct ConfigurationKey: Sendable {
    let name: String
    let kind: Kind
    var isRequired = false
    /// Default as it would be written; nil where there is none.
    var standard: String?
    let meaning: String
    var secrecy = Secrecy.none

    /// What no output repeats.
    enum Secrecy: Sendable {
        case none
        /// The password in a URL.
        case password
        case whole
    }

    indirect enum Kind: Sendable {
        case string
        /// A string that matches this pattern (ECMA-262) after variables are filled in.
        case pattern(String)
        case boolean
        /// A `boolean` that may also be a string of the environment.
        case flag
        case duration
        /// A duration above zero.
        case span
        case integer(ClosedRange<Int>)
        case size(ClosedRange<UInt64>)
        /// A limit that `"off"` removes.
        case bound(Kind)
        case words([String])
        case list(Kind, most: Int?)
        case oneOrMore(Kind, most: Int?)
        /// An object of strings under keys of the operator's choice.
        case strings
        case object(ConfigurationObject)
        case either(Kind, Kind)
    }

    init(_ name: String, _ kind: Kind, _ standard: String?, _ meaning: String) {
        (self.name, self.kind, self.standard, self.meaning) = (name, kind, standard, meaning)
    }

    /// A key without a default.
    init(_ name: String, _ kind: Kind, _ meaning: String) { self.init(name, kind, nil, meaning) }

    static func required(
        _ name: String, _ kind: Kind, _ meaning: String, secrecy: Secrecy = .none
    ) -> ConfigurationKey {
        var key = ConfigurationKey(name, kind, nil, meaning)
        key.isRequired = true
        key.secrecy = secrecy
        return key
    }

    static func secret(_ name: String, kind: Kind = .string, _ meaning: String) -> ConfigurationKey {
        var key = ConfigurationKey(name, kind, nil, meaning)
        key.secrecy = .whole
        return key
    }
}

/// Ranges of numbers.
enum KeyRange {
    static let port = 0...Int(UInt16.max)
    static let backendPort = 1...Int(UInt16.max)
    static let readyStatus = 200...599
    static let headBytes: ClosedRange<UInt64> = 1024...1_048_576
    static let headerFields = 8...10_000
    static let targetBytes: ClosedRange<UInt64> = 64...1_048_576
    /// The minimum holds a burst of output.
    static let logBytes = 65_536...SizeParser.largest
    static let bodyBytes = 0...SizeParser.largest
    static let messageBytes = 1...SizeParser.largest
    static let messageRate = 1...1_000_000
    /// The maximum exceeds what a single machine can hold open.
    static let connections = 1...1_000_000
    static let waiting = 1...1_000_000
    /// Each listener is compared with all others and holds a descriptor from the start.
    static let listeners = 64
    /// Each process holds memory and descriptors from the start.
    static let processes = 256
    /// More threads than cores slow each other down.
    static let threads = 1...64
}

/// The objects of a configuration and their keys.
enum ConfigurationObject: String, CaseIterable, Sendable {
    case configuration, listener, service, process, limits
    case onDemand = "on_demand"
    case serviceLimits = "service_limits"
    case wakeCondition = "wake_condition"
    case restartBackoff = "restart_backoff"
    case status, log, readiness
    case cable
    case cableTokens = "cable_jwt"
    case cableStreams = "cable_streams"
    case cableBroadcast = "cable_broadcast"
    case cableRedis = "cable_redis"
    case cableHibernation = "cable_hibernate"
    case replayableChannel = "cable_hibernate_channel"
    case cableLimits = "cable_limits"
    case command

    var keys: [ConfigurationKey] {
        switch self {
        case .configuration: Self.configurationKeys
        case .listener: Self.listenerKeys
        case .service: Self.serviceKeys
        case .onDemand: Self.startKeys + Self.onDemandKeys + Self.lifeKeys
        case .process: Self.processKeys + Self.startKeys + Self.lifeKeys
        case .limits: Self.connectionLimitKeys + Self.serviceLimitKeys
        case .serviceLimits: Self.serviceLimitKeys
        case .wakeCondition: Self.wakeConditionKeys
        case .restartBackoff: Self.restartBackoffKeys
        case .status: Self.statusKeys
        case .log: Self.logKeys
        case .readiness: Self.readinessKeys
        case .cable: Self.cableKeys
        case .cableTokens: Self.cableTokenKeys
        case .cableStreams: Self.cableStreamKeys
        case .cableBroadcast: Self.cableBroadcastKeys
        case .cableRedis: Self.cableRedisKeys
        case .cableHibernation: Self.cableHibernationKeys
        case .replayableChannel: Self.replayableChannelKeys
        case .cableLimits: Self.cableLimitKeys
        case .command: Self.commandKeys + Self.startKeys + Self.runKeys
        }
    }

    var keyNames: [String] { keys.map(\.name) }
}

extension ConfigurationKey.Kind {
    /// An address, or a bare port number.
    static let address = Self.either(.integer(KeyRange.port), .string)
    static let name = Self.pattern("^[A-Za-z0-9._-]{1,64}$")
    static let path = Self.pattern("^/")
    static let stopPlan = Self.list(
        .either(.words(StopSignal.allCases.flatMap { [$0.name, "SIG\($0.name)"] }), .duration), most: nil)
}

extension ConfigurationObject {
    private static let configurationKeys: [ConfigurationKey] = [
        ConfigurationKey("$schema", .string, "for editors; ignored"),
        .required(
            "listen", .oneOrMore(.either(.address, .object(.listener)), most: KeyRange.listeners),
            "where clients connect, such as \"127.0.0.1:3000\", \"unix:/run/x.sock\" or \"fd:web\""),
        ConfigurationKey(
            "reverse_proxies", .list(.object(.service), most: nil), "[]", "the services; at least one, or a cable"),
        ConfigurationKey(
            "cables", .list(.object(.cable), most: KeyRange.cables), "[]",
            "WebSocket endpoints that the daemon serves itself"),
        ConfigurationKey(
            "commands", .list(.object(.command), most: KeyRange.commands), "[]",
            "programs that clients start by HTTP; their output goes to a stream of a cable"),
        ConfigurationKey(
            "managed_processes", .list(.object(.process), most: KeyRange.processes), "[]",
            "processes without routes, such as a Redis"),
        ConfigurationKey("status", .object(.status), "the status page; requests to it wake no backend"),
        ConfigurationKey(
            "state_dir", .string, "the directory that keeps the history of the status page across restarts"),
        ConfigurationKey("control", .pattern("^unix:"), "the Unix socket for operator commands"),
        ConfigurationKey("log", .object(.log), "{}", "level, format and file of the log"),
        ConfigurationKey(
            "drain_timeout", .duration, "\"10s\"", "at a shutdown: how long requests in progress may take"),
        ConfigurationKey(
            "close_jitter", .duration, "\"1s\"", "at a shutdown: close frames to WebSockets are spread over this long"),
        ConfigurationKey(
            "env_file", .string, "a file of variables; a leading dash allows it to be missing"),
        ConfigurationKey(
            "limits", .object(.limits), "{}", "limits of clients and backends"),
        ConfigurationKey(
            "trusted_proxies", .list(.string, most: nil), "[]",
            "peers whose forwarding headers are trusted: networks, \"loopback\", \"private\""),
        ConfigurationKey("via", .boolean, "false", "whether forwarded requests get Via: 1.1 ondemandd"),
        ConfigurationKey(
            "threads", .integer(KeyRange.threads), "1",
            "threads for WebSockets; the first does everything else too"),
    ]

    private static let statusKeys: [ConfigurationKey] = [
        .required("listen", .address, "where the status page is"),
        .secret(
            "token", kind: .pattern("^[A-Za-z0-9._~+/=-]{16,256}$"), "gives access to all facts and commands"),
        ConfigurationKey(
            "allowed_hosts", .oneOrMore(.string, most: nil), "[]", "allowed hosts besides addresses and localhost"),
    ]

    private static let listenerKeys: [ConfigurationKey] = [
        .required("address", .address, "where clients connect"),
        ConfigurationKey(
            "proxy_protocol", .boolean, "false", "whether every connection begins with a PROXY header"),
    ]

    private static let serviceKeys: [ConfigurationKey] = [
        .required("name", .name, "its name in log lines and commands"),
        ConfigurationKey("enabled", .flag, "true", "off: requests get 503, and it is never started"),
        ConfigurationKey(
            "path", .oneOrMore(.path, most: nil),
            "the paths of its requests: /cable, /x/{y}/cable, /api/*; required unless a cable names it as backend"),
        .required(
            "target", .pattern("^(http://|unix:)"), "where the requests go, such as \"http://127.0.0.1:28080/cable\""),
        ConfigurationKey("websocket", .boolean, "false", "whether WebSocket upgrades pass"),
        ConfigurationKey("headers", .strings, "{}", "headers to set on every forwarded request"),
        ConfigurationKey(
            "allowed_origins", .oneOrMore(.string, most: nil), "\"*\"", "the pages that may open a WebSocket"),
        ConfigurationKey("limits", .object(.serviceLimits), "{}", "limits of this service"),
        ConfigurationKey(
            "on_demand", .object(.onDemand),
            "how to start and stop the backend; without it, requests are only forwarded"),
    ]

    /// Keys of everything that can be started.
    private static let startKeys: [ConfigurationKey] = [
        .required("command", .string, "the program; looked up on PATH when it has no slash"),
        ConfigurationKey("args", .list(.string, most: nil), "[]", "its arguments; no shell reads them"),
        ConfigurationKey("working_dir", .string, "\".\"", "its working directory"),
        ConfigurationKey("env", .strings, "{}", "its environment variables; they override the daemon's own"),
    ]

    private static let lifeKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "readiness", .either(.words(readinessKinds), .object(.readiness)), "\"tcp\"",
            "the check that decides when it is ready"),
        ConfigurationKey(
            "startup_timeout", .span, "\"30s\"", "the longest time from its start until it is ready"),
        ConfigurationKey(
            "idle_timeout", .duration, "\"15m\"", "the time after its last use until it is stopped; \"0\" means never"),
        ConfigurationKey("stop_timeout", .duration, "\"10s\"", "the time between TERM and KILL"),
        ConfigurationKey(
            "stop", .stopPlan,
            "signals, each followed by its timeout: [\"INT\", \"5s\", \"TERM\", \"10s\", \"KILL\"]"),
        ConfigurationKey(
            "restart_backoff", .object(.restartBackoff), "{ \"min\": \"1s\", \"max\": \"60s\" }",
            "the backoff after failed starts"),
        ConfigurationKey(
            "requires", .list(.string, most: nil), "[]", "services and processes that must be ready first"),
        ConfigurationKey(
            "on_reload", .words(Configuration.OnReload.allCases.map(\.rawValue)), "\"next_start\"",
            "what a reload with changes does to the running process"),
    ]

    private static let onDemandKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "port", .either(.integer(KeyRange.backendPort), .pattern("^(auto|[0-9]+)$")),
            "what {port} in target, args and env becomes; \"auto\" lets the system choose for each start"),
        ConfigurationKey("enabled", .flag, "true", "off: started with the daemon, and never stopped when idle"),
        ConfigurationKey(
            "idle_when", .words(IdleWhen.allCases.map(\.rawValue)), "\"no_connections\"", "what counts as use"),
        ConfigurationKey("min_uptime", .duration, "\"0\"", "the shortest time from ready to an idle stop"),
        ConfigurationKey("min_sleep", .duration, "\"0\"", "the time after an idle stop in which no request wakes it"),
        ConfigurationKey(
            "wake_on",
            .either(
                .words(["any", "upgrade"]), .oneOrMore(.either(.words(["upgrade"]), .object(.wakeCondition)), most: nil)
            ),
            "\"any\"", "which requests may wake it; others get 503 while it sleeps"),
        ConfigurationKey(
            "max_queue", .integer(KeyRange.waiting), "256", "the most requests that are queued while it starts"),
    ]

    private static let processKeys: [ConfigurationKey] = [
        .required("name", .name, "its name in log lines and commands"),
        ConfigurationKey("enabled", .flag, "true", "off: it is never started"),
        ConfigurationKey("address", .string, "where it accepts connections once it is ready"),
        ConfigurationKey(
            "start", .words(Configuration.Process.Start.allCases.map(\.rawValue)), "\"with_daemon\"",
            "whether it starts with the daemon or with what requires it"),
        ConfigurationKey("start_delay", .duration, "\"0\"", "the time from the daemon's start to its own"),
        ConfigurationKey("auto_restart", .flag, "true", "whether it is restarted after it has exited by itself"),
    ]

    private static let wakeConditionKeys: [ConfigurationKey] = [
        ConfigurationKey("header", .string, "requests with this header, whatever its value"),
        ConfigurationKey("path", .path, "requests with this path"),
    ]

    private static let restartBackoffKeys: [ConfigurationKey] = [
        ConfigurationKey("min", .span, "\"1s\"", "after the first failure; it then doubles"),
        ConfigurationKey("max", .span, "\"60s\"", "the longest"),
    ]

    private static let readinessKinds = ReadinessDecoder.Kind.allCases.map(\.rawValue)

    private static let readinessKeys: [ConfigurationKey] = [
        .required("kind", .words(readinessKinds), "how the backend shows that it is ready"),
        ConfigurationKey("path", .path, "\"/\"", "the path that http and websocket request"),
        ConfigurationKey(
            "status", .either(.integer(KeyRange.readyStatus), .words(["any", "2xx"])), "\"any\"",
            "the status that http expects"),
    ]

    private static let logKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "level", .words(LogLevel.allCases.map(\.rawValue)), "\"info\"", "the least severe level that is logged"),
        ConfigurationKey(
            "format", .words(LogFormat.allCases.map(\.rawValue)), "\"auto\"",
            "text, json or journal; auto detects the reader"),
        ConfigurationKey("file", .string, "a file to write to instead of standard error; SIGUSR1 reopens it"),
        ConfigurationKey(
            "max_size", .size(KeyRange.logBytes), "\"16MiB\"", "of that file; it is then renamed to FILE.1"),
    ]

    private static let connectionLimitKeys: [ConfigurationKey] = [
        ConfigurationKey("header_timeout", .span, "\"10s\"", "from the first byte of a request header to its end; 408"),
        ConfigurationKey("max_header_bytes", .size(KeyRange.headBytes), "\"16KiB\"", "of a whole request header; 431"),
        ConfigurationKey(
            "max_header_fields", .integer(KeyRange.headerFields), "128", "fields of a request header; 431"),
        ConfigurationKey("max_uri_bytes", .size(KeyRange.targetBytes), "\"8KiB\"", "of a request's URI; 414"),
        ConfigurationKey(
            "max_connections_per_address", .bound(.integer(KeyRange.connections)), "\"off\"",
            "open connections of one client; 503"),
    ]

    private static let serviceLimitKeys: [ConfigurationKey] = [
        ConfigurationKey("max_body_bytes", .bound(.size(KeyRange.bodyBytes)), "\"off\"", "of a request's body; 413"),
        ConfigurationKey("body_timeout", .span, "\"30s\"", "the longest pause within a request's body; 408"),
        ConfigurationKey(
            "response_timeout", .span, "\"60s\"", "from the end of the request to the end of the response header; 504"),
        ConfigurationKey(
            "max_response_header_bytes", .size(KeyRange.headBytes), "\"64KiB\"", "of a whole response header; 502"),
        ConfigurationKey(
            "upstream_keep_alive", .bound(.span), "\"1s\"",
            "how long a backend's connection waits for the next request of its client"),
        ConfigurationKey(
            "send_timeout", .span, "\"10s\"", "the longest time in which a client reads nothing of pending bytes"),
        ConfigurationKey(
            "max_message_size", .bound(.size(KeyRange.messageBytes)), "\"off\"",
            "of one WebSocket message from a client; close 1009"),
        ConfigurationKey(
            "max_backend_message_size", .bound(.size(KeyRange.messageBytes)), "\"off\"",
            "of one WebSocket message from the backend; close 1011"),
        ConfigurationKey(
            "max_message_rate", .bound(.integer(KeyRange.messageRate)), "\"off\"",
            "WebSocket frames per second from one client"),
        ConfigurationKey(
            "max_connections", .bound(.integer(KeyRange.connections)), "\"off\"",
            "at the top: open connections of one listener; in a service: its concurrent requests and tunnels; 503"),
    ]
}
