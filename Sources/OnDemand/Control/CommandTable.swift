/// The commands of a snapshot as text for a terminal: the output of `ondemandd commands`.
enum CommandTable {
    static func text(of commands: [Snapshot.Command], paint: ANSIStyle = .plain) -> String {
        guard !commands.isEmpty else { return "no commands are configured\n" }
        let rows = [titles] + commands.map(row)
        let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let table = rows.enumerated().map { index, row in
            let cells = zip(row.dropLast(), widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            let last = row[row.count - 1]
            let colour = index == 0 ? nil : commands[index - 1].last.first.map { $0.hasSucceeded ? green : red }
            return (cells + [colour.map { paint($0, last) } ?? last]).joined(separator: "  ")
        }
        let running = commands.flatMap { command in command.running.map { line(of: $0, command, paint) } }
        return (table + (running.isEmpty ? [] : [""] + running)).map { $0 + "\n" }.joined()
    }

    private static let (green, red) = (ANSIStyle.Colour.green, ANSIStyle.Colour.red)

    private static let titles = ["NAME", "PARAMETERS", "RUNNING", "STARTED", "SUCCEEDED", "FAILED", "STOPPED", "LAST"]

    private static func row(_ command: Snapshot.Command) -> [String] {
        let counters = command.counters
        return [
            command.name, command.parameters.isEmpty ? "-" : command.parameters.joined(separator: ","),
            "\(command.running.count) of \(command.maximumRunning)", "\(counters.started)", "\(counters.succeeded)",
            "\(counters.failed + counters.timedOut + counters.spawnFailed)", "\(counters.stopped)",
            command.last.first.map { "\($0.result) after \(StatusTable.age($0.duration))" } ?? "-",
        ]
    }

    private static func line(of run: Snapshot.Run, _ command: Snapshot.Command, _ paint: ANSIStyle) -> String {
        let remaining = run.remaining.joined(separator: ", ").withoutControls
        let overdue = remaining.isEmpty ? "" : "; \(paint(.red, "stop overdue:")) \(remaining)"
        let verb = run.state == .stopping ? "is stopping" : "is running"
        return "\(command.name): \(run.id) \(verb) for \(StatusTable.age(run.duration)),"
            + " \(run.outputBytes) bytes of output\(overdue)"
    }
}
