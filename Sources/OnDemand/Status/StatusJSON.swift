/// A snapshot as JSON: the body of `/api/status`, and the data of each event of `/events`.
///
///     { "version": 1,                       of this format; grows when a key changes its meaning or goes
///       "daemon": { "version": "0.1.0", "uptime_ms": 61200, "resident_bytes": 5017600 or null,
///         "takes_orders": true },           whether services can be started and stopped here
///       "listening": ["127.0.0.1:3000"],    where clients connect, as bound: host:port, [ipv6]:port, unix:/path
///       "services": [{                      in the order of the configuration
///         "name": "action-cable",
///         "kind": "service",                service or process: the latter has no paths and no clients
///         "state": "ready",                 disabled, asleep, starting, ready, stopping, cooling_down, external,
///                                           retired
///         "state_age_ms": 4100,             how long it has been so
///         "paths": ["/cable"],              as configured, with their placeholders
///         "websocket": true,                whether upgrades may pass
///         "requires": ["redis"],            the names of what is made ready before it starts
///         "generation": 3,                  which life of the backend this is or was, 0 before the first
///         "pid": 4711 or null,
///         "resident_bytes": 71303168 or null,
///         "open": 2,                        requests and tunnels in progress
///         "waiting": 0,                     clients held until it is ready
///         "starts": 3,
///         "last_boot_ms": 1512 or null,     from spawn to ready
///         "boots_ms": [1498, 1512],         of its last 20 starts, the latest last
///         "last_wake": {                    what it was last started for, one of `wakes`, or null
///           "cause": "upgrade", "age_ms": 65100,
///           "client": "192.0.2.7" or null, "path": "/cable" or null, "agent": "Mozilla/5.0" or null
///         },
///         "last_exit": "status 0" or null,
///         "last_exit_cause": "idle" or null,  why: idle, ordered, shutdown, failure
///         "last_failure": "..." or null,    of the last start; null again once a later one succeeded
///         "failure": {                      what there is to that, or null
///           "command": "bundle exec puma", "directory": "/srv/app",
///           "exit": "status 1" or null,     null: no process was started, or it was still running
///           "output": ["2026-11-21T08:15:55.123Z stderr ..."]   up to 20 lines, 4 KiB, as `ondemandd logs` has them
///         },
///         "idle_timeout_ms": 8000 or null,  null: it is never stopped for idleness
///         "tunnels": {                      what passed through its WebSockets since the daemon began
///           "opened": 12,
///           "from_clients": { "bytes": 1, "frames": 1, "messages": 1, "pings": 0, "pongs": 0 },
///           "from_backend": { ... },
///           "closes": { "1000": 3, "other": 0 }   close frames by their code; other: of codes beyond the first 32
///         },
///         "pinned": false,                  kept awake by an operator
///         "wakes": { "upgrade": 2, ... },   starts, by what they were for: upgrade, request, operator,
///                                           always_on, required
///         "resident_share": 0.0312 or null, the part of the daemon's time that it had a process
///         "saved_mb_hours": 118.25 or null  time without a process, times the memory it held before it was stopped
///       }] }
///
/// Keys may be added without a new version; readers ignore those they do not know.
enum StatusJSON {
    static func text(of snapshot: Snapshot) -> String {
        object([
            ("version", "1"),
            (
                "daemon",
                object([
                    ("version", JSONText.quoted(snapshot.version)),
                    ("uptime_ms", number(snapshot.uptime)),
                    ("resident_bytes", number(snapshot.residentBytes)),
                    ("takes_orders", snapshot.takesOrders ? "true" : "false"),
                ])
            ),
            ("listening", array(snapshot.listening.map(JSONText.quoted))),
            ("services", array(snapshot.services.map { text(of: $0, snapshot.uptime) })),
        ])
    }

    private static func text(of service: Snapshot.Service, _ uptime: Duration) -> String {
        object([
            ("name", JSONText.quoted(service.name)),
            ("kind", JSONText.quoted(service.kind.rawValue)),
            ("state", JSONText.quoted(service.state)),
            ("state_age_ms", number(service.stateAge)),
            ("paths", array(service.paths.map(JSONText.quoted))),
            ("websocket", service.webSocket ? "true" : "false"),
            ("requires", array(service.requires.map(JSONText.quoted))),
            ("generation", number(service.generation)),
            ("pid", number(service.process?.number)),
            ("resident_bytes", number(service.residentBytes)),
            ("open", number(service.open)),
            ("waiting", number(service.waiting)),
            ("starts", number(service.starts)),
            ("last_boot_ms", number(service.lastBoot)),
            ("boots_ms", array(service.recentBoots.map { number($0) })),
            ("last_wake", service.lastWake.map(text) ?? "null"),
            ("last_exit", quoted(service.lastExit)),
            ("last_exit_cause", quoted(service.lastExitCause)),
            ("last_failure", quoted(service.lastFailure?.detail)),
            ("failure", service.lastFailure.map(text) ?? "null"),
            ("idle_timeout_ms", number(service.idleTimeout)),
            ("tunnels", text(of: service.traffic)),
            ("pinned", service.isPinned ? "true" : "false"),
            ("wakes", object(service.wakes.map { ($0.name, "\($0.count)") })),
            ("resident_share", decimal(service.share(of: uptime), places: 4)),
            ("saved_mb_hours", decimal(service.savedMegabyteHours, places: 2)),
        ])
    }

    private static func text(of failure: FailureReport) -> String {
        object([
            ("command", JSONText.quoted(failure.command)), ("directory", JSONText.quoted(failure.directory)),
            ("exit", quoted(failure.exit)), ("output", array(failure.output.map(JSONText.quoted))),
        ])
    }

    private static func text(of wake: Snapshot.Service.Wake) -> String {
        object([
            ("cause", JSONText.quoted(wake.cause)), ("age_ms", number(wake.age)), ("client", quoted(wake.address)),
            ("path", quoted(wake.path)), ("agent", quoted(wake.agent)),
        ])
    }

    private static func text(of traffic: Traffic) -> String {
        let closes = traffic.closeCodes.map { ("\($0.code)", "\($0.count)") } + [("other", "\(traffic.otherCloses)")]
        return object([
            ("opened", "\(traffic.tunnels)"), ("from_clients", text(of: traffic.fromClients)),
            ("from_backend", text(of: traffic.fromBackend)), ("closes", object(closes)),
        ])
    }

    private static func text(of direction: Traffic.Direction) -> String {
        object([
            ("bytes", "\(direction.bytes)"), ("frames", "\(direction.frames)"), ("messages", "\(direction.messages)"),
            ("pings", "\(direction.pings)"), ("pongs", "\(direction.pongs)"),
        ])
    }

    private static func object(_ members: [(name: String, value: String)]) -> String {
        "{" + members.map { JSONText.quoted($0.name) + ":" + $0.value }.joined(separator: ",") + "}"
    }

    private static func array(_ elements: [String]) -> String { "[" + elements.joined(separator: ",") + "]" }

    private static func number(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "null" }

    private static func number(_ duration: Duration?) -> String { number(duration?.wholeMilliseconds) }

    private static func decimal(_ value: Double?, places: Int) -> String {
        value.map { DecimalText.of($0, places: places) } ?? "null"
    }

    private static func quoted(_ text: String?) -> String { text.map(JSONText.quoted) ?? "null" }
}
