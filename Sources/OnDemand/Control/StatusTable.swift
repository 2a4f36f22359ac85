/// A snapshot as text for a terminal: a table, and notes below it.
enum StatusTable {
    static func text(of snapshot: Snapshot, paint: ANSIStyle = .plain) -> String {
        let memory = snapshot.residentBytes.map { ", \(megabytes(Double($0))) MB" } ?? ""
        let head = "ondemandd \(snapshot.version), up for \(age(snapshot.uptime))\(memory), "
        let rows = [titles] + snapshot.services.map { row($0, snapshot.uptime) }
        let notes = snapshot.services.flatMap { self.notes($0, paint) }
        let colours = [nil] + snapshot.services.map { colour(of: $0.state) }
        let table = zip(aligned(rows), colours).map { line, colour in
            colour.map { line.before + paint($0, line.state) + line.behind } ?? line.before + line.state + line.behind
        }
        let cables = snapshot.cables.isEmpty ? [] : [""] + snapshot.cables.flatMap { [line($0)] + backendLines($0) }
        let commands = snapshot.commands.isEmpty ? [] : [""] + snapshot.commands.map(line)
        let lines =
            [head + "listening on \(snapshot.listening.joined(separator: ", "))", ""] + table + cables + commands
        return (lines + (notes.isEmpty ? [] : [""] + notes)).map { $0 + "\n" }.joined()
    }

    /// Cables have no state of a process, so each has a line of its own below the table.
    private static func line(_ cable: Snapshot.Cable) -> String {
        guard cable.isEnabled else { return "cable \(cable.name): disabled" }
        let redis = cable.redis.map { ", Redis \($0.state.rawValue)" } ?? ""
        let (clients, subscriptions) = (count(cable.clients, "client"), count(cable.subscriptions, "subscription"))
        return "cable \(cable.name): \(clients), \(subscriptions) to \(count(cable.streams, "stream")),"
            + " \(count(Int(cable.publications), "message")) published, \(cable.deliveries) delivered\(redis)"
    }

    /// `ondemandd commands` has the figures.
    private static func line(_ command: Snapshot.Command) -> String {
        let last = command.last.first.map { ", last: \($0.result) after \(age($0.duration))" } ?? ""
        return "command \(command.name): \(command.running.count) of \(command.maximumRunning) running, "
            + "\(command.counters.started) started, \(command.counters.succeeded) succeeded\(last)"
    }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// The clients of a cable's backend, and what keeps it awake.
    private static func backendLines(_ cable: Snapshot.Cable) -> [String] {
        guard let backend = cable.backend, cable.isEnabled else { return [] }
        let saved = backend.savedByteSeconds.map { ", \(DecimalText.of($0 / 1e6 / 3600, places: 1)) MBh saved" } ?? ""
        let queued = backend.queuedClientCommands > 0 ? ", \(backend.queuedClientCommands) commands queued" : ""
        let first =
            "cable \(cable.name): \(backend.attached) attached to \(backend.name), \(backend.hibernating) hibernating, "
            + "\(backend.waking) waking\(queued)\(saved)"
        return [first]
            + backend.stateful.map { stateful in
                let channel = stateful.channel.isEmpty ? "" : " \(stateful.channel.withoutControls)"
                return "cable \(cable.name): keeps \(backend.name) awake: \(stateful.subscriptions) x\(channel) "
                    + "(\(stateful.reason))"
            }
    }

    private static let titles = [
        "NAME", "STATE", "FOR", "PID", "MEMORY", "OPEN", "QUEUED", "STARTS", "STARTUP", "RUNNING", "SAVED",
    ]

    private static func row(_ service: Snapshot.Service, _ uptime: Duration) -> [String] {
        [
            service.name, service.state.rawValue + (service.isPinned ? ", pinned" : ""), age(service.stateAge),
            service.process.map { "\($0.number)" } ?? "-",
            service.residentBytes.map { "\(megabytes(Double($0))) MB" } ?? "-",
            "\(service.open)", "\(service.queuedRequests)", "\(service.starts)",
            service.lastStartup.map { "\($0.wholeMilliseconds) ms" } ?? "-",
            service.share(of: uptime).map { "\(DecimalText.of($0 * 100, places: 1)) %" } ?? "-",
            service.savedMegabyteHours.map { "\(DecimalText.of($0, places: 1)) MBh" } ?? "-",
        ]
    }

    private static func colour(of state: BackendState) -> ANSIStyle.Colour? {
        switch state {
        case .awake: .green
        case .starting, .stopping: .yellow
        case .backoff: .red
        case .asleep, .disabled, .unmanaged, .shuttingDown: .grey
        }
    }

    private static func notes(_ service: Snapshot.Service, _ paint: ANSIStyle) -> [String] {
        let wakes = service.wakes.filter { $0.count > 0 }.map { "\($0.name) \($0.count)" }
        let exit = service.lastExit.map { ["last exit: \($0)"] } ?? []
        let facts = (wakes.isEmpty ? [] : ["woken by " + wakes.joined(separator: ", ")]) + exit
        let remaining = service.remaining.joined(separator: ", ").withoutControls
        let overdue = remaining.isEmpty ? [] : ["\(service.name): \(paint(.red, "stop overdue:")) \(remaining)"]
        let life = (facts.isEmpty ? [] : ["\(service.name): \(facts.joined(separator: "; "))"]) + overdue
        guard let failure = service.lastFailure else { return life }
        let title = paint(.red, "last failure:")
        return life + ["\(service.name): \(title) \(failure.detail.withoutControls)"] + failure.lines
    }

    /// Two spaces between columns, none at the end of a line. The state is separate, because escape sequences have no
    /// width.
    private static func aligned(_ rows: [[String]]) -> [(before: String, state: String, behind: String)] {
        let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            let rest = ([row[1].spaces(to: widths[1])] + cells[2...]).joined(separator: "  ")
            let behind = rest.prefix(rest.count - rest.reversed().prefix { $0 == " " }.count)
            return (cells[0] + "  ", row[1], String(behind))
        }
    }

    private static func megabytes(_ bytes: Double) -> String {
        DecimalText.of(bytes / 1_000_000, places: bytes < 10_000_000 ? 1 : 0)
    }

    /// The two largest units: `42s`, `4m10s`, `3h12m`, `5d2h`.
    static func age(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}

extension String {
    /// Spaces to this width.
    fileprivate func spaces(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) }
}
