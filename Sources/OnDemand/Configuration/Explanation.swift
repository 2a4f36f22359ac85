/// Describes in sentences what a configuration does: start, first request, idle stop, crash, stop, reload, shutdown.
struct Explanation {
    let configuration: Configuration

    var text: String {
        let parts =
            [listening] + configuration.services.map(lines) + configuration.processes.map(lines)
            + configuration.cables.map(CableExplanation(configuration: configuration).lines)
            + configuration.commands.map(CommandExplanation.lines)
            + [reload, shutdown]
        return parts.joined(separator: "\n")
    }

    private var listening: String {
        let places = configuration.listen.map(\.description) + configuration.inherited.map { "fd:\($0)" }
        let status = configuration.status.map { " The status page is at \($0.listen); it wakes nothing." } ?? ""
        let control = configuration.control.map { " Operator commands are accepted at \($0)." } ?? ""
        return Self.wrapped("Clients connect to \(places.joined(separator: ", ")).\(status)\(control)", indent: 0)
    }

    private var reload: String {
        Self.wrapped(
            "On HUP or \"ondemandd reload\" this file is read again. A file with errors changes nothing; unchanged"
                + " services keep their processes and connections.", indent: 0)
    }

    private var shutdown: String {
        let runs = configuration.commands.isEmpty ? [] : ["runs of commands are stopped by their stop plans,"]
        let steps =
            [
                "queued requests get 503,",
                "WebSockets get close frame 1001 \(Self.spread(configuration.closeJitter)),",
                configuration.drainTimeout == .zero
                    ? "requests in progress are aborted,"
                    : "requests in progress may take \(configuration.drainTimeout.shortText) to finish,",
            ] + runs + [
                "and then all processes are stopped as described above. A second signal skips these waits."
            ]
        return Self.wrapped("When the daemon gets TERM or INT: \(steps.joined(separator: " "))", indent: 0)
    }

    // MARK: - A service

    private func lines(of service: Configuration.Service) -> String {
        let places = service.paths.map(\.text) + cables(before: service).map { "the cable \"\($0.name)\"" }
        let title = "\(service.name): \(places.joined(separator: ", "))\n"
        guard let launch = service.launch else { return title + Self.lines(forwarding(service)) }
        let policy = service.policy
        let entries: [(String, String)] = [
            ("at the start", atStart(service)),
            ("first request", firstRequest(service, launch)),
            ("failed start", Self.failedStart(policy)),
            ("idle", idle(service)),
            ("crash", Self.crash(policy)),
            ("stop", "\(Self.stop(policy.stopPlan)) New requests are queued for the next start."),
            ("changed file", changes(service)),
        ]
        return title + Self.lines(entries)
    }

    private func forwarding(_ service: Configuration.Service) -> [(String, String)] {
        guard service.enabled else { return [("requests", "get 503: it is not enabled.")] }
        return [
            (
                "requests",
                "go to \(service.target.address), which this daemon does not manage; 502 while nothing listens there."
            )
        ]
    }

    private func atStart(_ service: Configuration.Service) -> String {
        guard service.enabled else {
            let command = "\"ondemandd enable \(service.name)\""
            return "It is not enabled: requests get 503 and nothing starts until \(command)."
                + " After that:"
        }
        guard service.policy.alwaysOn else { return "Nothing is started." }
        return "It is started and stays running."
    }

    private func firstRequest(_ service: Configuration.Service, _ launch: LaunchCommand) -> String {
        let policy = service.policy
        var sentences = [waking(service)]
        sentences += Self.requirements(policy)
        let directory = launch.workingDirectory == "." ? "" : " in \(launch.workingDirectory.withoutControls)"
        sentences.append("Command: \(launch.shown)\(directory).")
        sentences.append("It has \(policy.startupTimeout.shortText) to \(Self.readiness(service)).")
        sentences.append("Then all queued requests are forwarded.")
        let limit = policy.maximumQueue
        sentences.append("Up to \(limit) are queued; more get 503 at once.")
        if !service.origins.contains(.any), service.websocket {
            sentences.append(
                "A WebSocket with an Origin that is not in allowed_origins gets 403 and wakes nothing.")
        }
        return sentences.joined(separator: " ")
    }

    /// Returns the readiness condition as an infinitive clause.
    private static func readiness(_ service: Configuration.Service) -> String {
        let address = service.target.address
        return service.policy.readiness.requirement(
            at: address.port == 0 ? "a port chosen for each start" : "\(address)")
    }

    private func changes(_ service: Configuration.Service) -> String {
        guard service.onReload == .restart else { return Self.changesLater }
        let spread = Self.spread(service.policy.closeJitter)
        return "A reload replaces it at once; WebSockets get close frame 1012 \(spread)."
    }

    private func waking(_ service: Configuration.Service) -> String {
        let request =
            if service.paths.isEmpty { "A client of the cable that needs it" } else if service.websocket {
                "A request or WebSocket upgrade"
            } else { "A request" }
        guard let conditions = service.wakeOn.conditions else { return "\(request) starts it and is queued." }
        let causes = conditions.map { condition in
            switch condition {
            case .upgrade: "a WebSocket upgrade"
            case .header(let name): "a request with the header \(name)"
            case .path(let pattern): "a request for \(pattern.text)"
            }
        }
        return "Only \(causes.joined(separator: " or ")) starts it and is queued; others get 503 while it sleeps."
    }

    private func idle(_ service: Configuration.Service) -> String {
        let policy = service.policy
        guard !policy.alwaysOn, let timeout = policy.idleTimeout else { return "It is never stopped when idle." }
        let use: String =
            switch policy.idleWhen {
            case .noConnections: "after the last request and WebSocket ended"
            case .noClientData: "after the last request ended and a WebSocket's client last sent data"
            }
        let hibernates = cables(before: service).contains { $0.hibernation != nil }
        var sentences = ["\(timeout.shortText) \(hibernates ? "after its last use" : use) it is stopped."]
        if hibernates {
            sentences.append(
                "Messages of the cable's clients are use, and so are clients that cannot be replayed; all others stay"
                    + " connected.")
        }
        if policy.idleWhen == .noClientData {
            let sockets = hibernates ? "Tunnels" : "WebSockets"
            sentences.append(
                "\(sockets) that are open then get close frame 1001 \(Self.spread(policy.closeJitter)).")
        }
        if policy.minimumUptime > .zero {
            sentences.append("Not before it has been ready for \(policy.minimumUptime.shortText).")
        }
        if policy.minimumSleep > .zero {
            sentences.append("After that no request wakes it for \(policy.minimumSleep.shortText); requests get 503.")
        }
        return sentences.joined(separator: " ")
    }

    /// The cables that forward to this service.
    private func cables(before service: Configuration.Service) -> [Configuration.Cable] {
        configuration.cables.filter { $0.backend == service.name }
    }

    // MARK: - A process

    private func lines(of process: Configuration.Process) -> String {
        guard process.enabled else { return "\(process.name)\n" + Self.lines([("always", "It is never started.")]) }
        let policy = process.policy
        let requirers = requirers(of: process.name).joined(separator: ", ")
        let delay = process.startDelay > .zero ? " \(process.startDelay.shortText) after the daemon" : ""
        let start =
            policy.alwaysOn
            ? "It is started\(delay) and stays running." : "Nothing is started. It is started before \(requirers)."
        let requirement = policy.readiness.requirement(at: process.address?.description)
        let readiness =
            process.address == nil && policy.readiness == .tcp
            ? "Ready as soon as it runs." : "It has \(policy.startupTimeout.shortText) to \(requirement)."
        let sentences = [start] + Self.requirements(policy) + ["Command: \(process.launch.shown).", readiness]
        let idle =
            policy.alwaysOn || policy.idleTimeout == nil
            ? "It is never stopped when idle."
            : "\((policy.idleTimeout ?? .zero).shortText) after the last of \(requirers) has ended it is stopped."
        return "\(process.name)\n"
            + Self.lines([
                ("at the start", sentences.joined(separator: " ")), ("failed start", Self.failedStart(policy)),
                ("idle", idle), ("crash", Self.processCrash(policy)), ("stop", Self.stop(policy.stopPlan)),
                ("changed file", process.onReload == .restart ? "A reload replaces it at once." : Self.changesLater),
            ])
    }

    private func requirers(of name: String) -> [String] {
        configuration.services.filter { $0.policy.requires.contains(name) }.map(\.name)
            + configuration.processes.filter { $0.policy.requires.contains(name) }.map(\.name)
    }
}

// MARK: - What both have

extension Explanation {
    private static let changesLater = "A reload keeps the running process; changes apply from its next start."

    private static func requirements(_ policy: BackendPolicy) -> [String] {
        guard !policy.requires.isEmpty else { return [] }
        return ["Ready before it: \(policy.requires.joined(separator: ", "))."]
    }

    /// Describes the backoff without its jitter.
    private static func backoff(_ policy: BackendPolicy) -> String {
        let backoff = policy.backoff
        guard backoff.first < backoff.longest else { return "The backoff is \(backoff.longest.shortText)" }
        return
            "The backoff is \(backoff.first.shortText) and doubles each time up to \(backoff.longest.shortText)"
    }

    private static func failedStart(_ policy: BackendPolicy) -> String {
        let next = policy.comesBack ? "then it is started again." : "then the next request starts it again."
        return "Queued requests get 503, and its remaining processes are stopped. \(backoff(policy)); \(next)"
    }

    private static func crash(_ policy: BackendPolicy) -> String {
        let stable = Limits.stableUptime.shortText
        let next = policy.comesBack ? "it is started again" : "the next request starts it again"
        return
            "Requests in progress get 502 where no response has begun, and WebSockets are closed. After a first crash,"
            + " or one after \(stable) of being ready, \(next) at once. Others count as failed starts."
    }

    private static func processCrash(_ policy: BackendPolicy) -> String {
        guard policy.restarts else { return "It stays down until something that requires it is started." }
        let stable = Limits.stableUptime.shortText
        return "After a first one, or one after \(stable) of being ready, it is started again at once."
            + " Others count as failed starts."
    }

    /// Describes the stop plan, such as `TERM to all its processes; 10s later KILL.`
    static func stop(_ plan: StopPlan) -> String {
        let signals = plan.steps.map(\.signal.name) + ["KILL"]
        let later = zip(plan.steps.map(\.timeout), signals.dropFirst()).map { timeout, signal in
            timeout == .zero ? "; at once \(signal)" : "; \(timeout.shortText) later \(signal)"
        }
        return "\(signals[0]) to all its processes\(later.joined())."
    }

    static func spread(_ duration: Duration) -> String {
        duration == .zero ? "at once" : "within \(duration.shortText)"
    }

    // MARK: Lines

    private static let column = 17
    private static let width = 100

    static func lines(_ entries: [(label: String, text: String)]) -> String {
        entries.map { entry in
            let label = "  \(entry.label)"
            let text = wrapped(entry.text, indent: column)
            return label + text.dropFirst(label.count)
        }.joined()
    }

    /// Wraps between words only: a long command may exceed the line.
    private static func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = margin
        for word in text.split(separator: " ") {
            if line.count > indent, line.count + 1 + word.count > width {
                lines.append(line)
                line = margin
            }
            line += line.count > indent ? " \(word)" : "\(word)"
        }
        return (lines + [line]).joined(separator: "\n") + "\n"
    }
}
