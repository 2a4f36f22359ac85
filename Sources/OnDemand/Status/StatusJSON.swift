/// A snapshot as JSON: the body of `/api/status`, and the data of each event of `/events`.
///
/// Keys are documented in docs/API.md; a test compares both. Unknown values are null. New keys do not change the
/// version, so readers must ignore unknown keys.
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
                    ("commands_enabled", snapshot.operationsEnabled ? "true" : "false"),
                ])
            ),
            ("listening", array(snapshot.listening.map(JSONText.quoted))),
            ("services", array(snapshot.services.map { text(of: $0, snapshot.uptime) })),
            ("cables", array(snapshot.cables.map(text))),
            ("commands", array(snapshot.commands.map(text))),
        ])
    }

    private static func text(of cable: Snapshot.Cable) -> String {
        object([
            ("name", JSONText.quoted(cable.name)),
            ("enabled", cable.isEnabled ? "true" : "false"),
            ("paths", array(cable.paths.map(JSONText.quoted))),
            ("protocols", array(cable.protocols.map(JSONText.quoted))),
            ("clients", number(cable.clients)),
            ("subscriptions", number(cable.subscriptions)),
            ("streams", number(cable.streams)),
            ("publications", number(cable.publications)),
            ("refused_publications", number(cable.refusedPublications)),
            ("overloaded_publications", number(cable.overloadedPublications)),
            ("unheard", number(cable.unheard)),
            ("deliveries", number(cable.deliveries)),
            ("slow_clients", number(cable.slowClients)),
            ("longest_queue_bytes", number(cable.longestQueue)),
            ("rejected", object(cable.rejected.map { ($0.name, "\($0.count)") })),
            ("ignored", object(cable.ignored.map { ($0.name, "\($0.count)") })),
            (
                "redis",
                cable.redis.map { object([("state", JSONText.quoted($0.state.rawValue)), ("gaps", number($0.gaps))]) }
                    ?? "null"
            ),
            ("backend", cable.backend.map(text) ?? "null"),
        ])
    }

    private static func text(of backend: Snapshot.Cable.Backend) -> String {
        object([
            ("name", JSONText.quoted(backend.name)),
            ("attached", number(backend.attached)),
            ("hibernating", number(backend.hibernating)),
            ("waking", number(backend.waking)),
            (
                "stateful",
                array(
                    backend.stateful.map {
                        object([
                            ("reason", JSONText.quoted($0.reason)), ("channel", JSONText.quoted($0.channel)),
                            ("subscriptions", number($0.subscriptions)),
                        ])
                    })
            ),
            ("queued_commands", number(backend.queuedClientCommands)),
            ("wakes", object(backend.wakes.map { ($0.name, "\($0.count)") })),
            ("replayed", number(backend.replayed)),
            ("disconnected", object(backend.disconnected.map { ($0.name, "\($0.count)") })),
            ("ignored_commands", number(backend.ignored)),
            ("slept_connected_ms", number(backend.sleptConnected)),
            ("saved_mb_hours", decimal(backend.savedByteSeconds.map { $0 / 1e6 / 3600 }, places: 2)),
        ])
    }

    private static func text(of service: Snapshot.Service, _ uptime: Duration) -> String {
        object([
            ("name", JSONText.quoted(service.name)),
            ("kind", JSONText.quoted(service.kind.rawValue)),
            ("state", JSONText.quoted(service.state.rawValue)),
            ("state_age_ms", number(service.stateAge)),
            ("paths", array(service.paths.map(JSONText.quoted))),
            ("websocket", service.webSocket ? "true" : "false"),
            ("requires", array(service.requires.map(JSONText.quoted))),
            ("generation", number(service.generation)),
            ("pid", number(service.process?.number)),
            ("resident_bytes", number(service.residentBytes)),
            ("remaining", array(service.remaining.map(JSONText.quoted))),
            ("open", number(service.open)),
            ("queued_requests", number(service.queuedRequests)),
            ("starts", number(service.starts)),
            ("last_startup_ms", number(service.lastStartup)),
            ("startups_ms", array(service.recentStartups.map { number($0) })),
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

    static func object(_ members: [(name: String, value: String)]) -> String {
        "{" + members.map { JSONText.quoted($0.name) + ":" + $0.value }.joined(separator: ",") + "}"
    }

    static func array(_ elements: [String]) -> String { "[" + elements.joined(separator: ",") + "]" }

    static func number(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "null" }

    static func number(_ duration: Duration?) -> String { number(duration?.wholeMilliseconds) }

    static func decimal(_ value: Double?, places: Int) -> String {
        value.map { DecimalText.of($0, places: places) } ?? "null"
    }

    static func quoted(_ text: String?) -> String { text.map(JSONText.quoted) ?? "null" }
}
