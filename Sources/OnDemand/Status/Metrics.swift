/// A snapshot in Prometheus format: the body of `/metrics`. Names and labels are stable (docs/METRICS.md).
enum Metrics {
    static func text(of snapshot: Snapshot) -> String {
        var text = MetricsText()
        for family in families { text.write(family, family.samples(snapshot)) }
        return text.text
    }

    static let families = daemon + lives + listenerSpecs + tunnels + cables + commands

    private static let daemon: [MetricFamily] = [
        MetricFamily("build_info", .gauge, "Always 1; the version of the daemon is its label.") {
            [.init(1, [("version", $0.version)])]
        },
        MetricFamily("uptime_seconds", .gauge, "Time since the start of the daemon.") { [.init($0.uptime)] },
        MetricFamily("resident_memory_bytes", .gauge, "Resident memory of the daemon itself.") {
            $0.residentBytes.map { [.init($0)] } ?? []
        },
        MetricFamily("reloads_total", .counter, "Reloads of the configuration, by outcome.") {
            [.init($0.reloads.done, [("outcome", "done")]), .init($0.reloads.refused, [("outcome", "refused")])]
        },
        MetricFamily(
            "last_reload_successful", .gauge,
            "1 if the last reload succeeded, 0 while the previous configuration stays in effect."
        ) { [.init($0.reloads.lastWasRefused ? 0 : 1)] },
        MetricFamily(
            "connections_rejected_total", .counter, "Connections rejected by the limit of a listener or of an address."
        ) { [.init($0.rejected)] },
        MetricFamily(
            "local_replies_total", .counter,
            "Local replies of the daemon other than 503, by status."
        ) { $0.localReplies.map { .init($0.count, [("code", $0.name)]) } },
    ]

    private static let lives: [MetricFamily] = [
        .each("state", .gauge, "1 for the current state of the service, 0 for the others.") { service in
            BackendState.allCases.map { .init($0 == service.state ? 1 : 0, [("state", $0.rawValue)]) }
        },
        .each("pinned", .gauge, "1 while an operator pins it awake.") { [.init($0.isPinned ? 1 : 0)] },
        .each("starts_total", .counter, "Starts, by cause.") { service in
            service.wakes.map { .init($0.count, [("cause", $0.name)]) }
        },
        .each("startup_seconds", .histogram, "Time from the spawn of a process until it was ready.") { service in
            service.startups.map(samples) ?? []
        },
        .each("failed_starts_total", .counter, "Failed starts, by reason.") { service in
            service.failedStarts.map { .init($0.count, [("reason", $0.name)]) }
        },
        .each("crashes_total", .counter, "Unexpected exits after it was ready.") { service in
            service.crashes.map { [.init($0)] } ?? []
        },
        .each("resident_memory_bytes", .gauge, "Resident memory of its first process; 0 without one.") { service in
            service.timeAlive == nil ? [] : [.init(service.residentBytes ?? 0)]
        },
        .each("running_seconds_total", .counter, "Time with a running process.") { service in
            service.timeAlive.map { [.init($0)] } ?? []
        },
        .each(
            "saved_megabyte_seconds_total", .counter,
            "Time without a process after its first exit, times the memory that it used before."
        ) { service in service.savedByteSeconds.map { [.init($0 / 1_000_000)] } ?? [] },
    ]

    private static func samples(of startups: StartupHistogram) -> [MetricFamily.Sample] {
        let bounds = StartupHistogram.bounds.map { DecimalText.of(Double($0.wholeMilliseconds) / 1000, places: 3) }
        let steps = zip(bounds + ["+Inf"], startups.upToBounds + [startups.count]).map { bound, count in
            MetricFamily.Sample(count, [("le", bound)], suffix: "_bucket")
        }
        return steps + [.init(startups.total, suffix: "_sum"), .init(startups.count, suffix: "_count")]
    }

    private static let listenerSpecs: [MetricFamily] = [
        .each("open_connections", .gauge, "Requests and tunnels in progress.") { [.init($0.open)] },
        .each("queued_requests", .gauge, "Requests that are queued until it is ready.") { [.init($0.queuedRequests)] },
        .each("requests_queued_total", .counter, "Requests that were queued for it.") { service in
            service.isService ? [.init(service.queuedRequestsTotal)] : []
        },
        .each("rejected_requests_total", .counter, "Requests that were rejected with 503, by reason.") {
            service in
            service.refused.map { .init($0.count, [("reason", $0.name)]) }
        },
    ]

    private static let tunnels: [MetricFamily] = [
        .each("open_tunnels", .gauge, "Tunnels in progress.") { $0.isService ? [.init($0.openTunnels)] : [] },
        .each("tunnels_total", .counter, "Tunnels that were opened.") {
            $0.isService ? [.init($0.traffic.tunnels)] : []
        },
        .eachWay("bytes", "Bytes through its tunnels, by sender.") { $0.bytes },
        .eachWay("frames", "WebSocket frames through its tunnels, by sender.") { $0.frames },
        .eachWay("messages", "WebSocket messages through its tunnels, by sender.") { $0.messages },
        .eachWay("pings", "Pings through its tunnels, by sender.") { $0.pings },
        .eachWay("pongs", "Pongs through its tunnels, by sender.") { $0.pongs },
        .each("close_frames_total", .counter, "Close frames through its tunnels, by code.") { service in
            guard service.isService else { return [] }
            return service.traffic.closeCodes.map { .init($0.count, [("code", "\($0.code)")]) }
                + [.init(service.traffic.otherCloses, [("code", "other")])]
        },
    ]
}

extension MetricFamily {
    fileprivate static func eachWay(
        _ what: String, _ help: String, _ count: @escaping @Sendable (Traffic.Direction) -> UInt64
    ) -> MetricFamily {
        .each("\(what)_total", .counter, help) { service in
            guard service.isService else { return [] }
            return [
                .init(count(service.traffic.fromClients), [("from", "client")]),
                .init(count(service.traffic.fromBackend), [("from", "backend")]),
            ]
        }
    }
}

extension Snapshot.Service {
    /// Only a service has clients.
    fileprivate var isService: Bool { kind == .service }
}
