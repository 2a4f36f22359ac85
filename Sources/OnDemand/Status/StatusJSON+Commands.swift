/// Commands and their runs as JSON: a part of `/api/status`, and the body of `ondemandd commands --json`.
extension StatusJSON {
    static func commands(of snapshot: Snapshot) -> String {
        object([("version", "1"), ("commands", array(snapshot.commands.map(text)))])
    }

    static func text(of command: Snapshot.Command) -> String {
        let counters = command.counters
        return object([
            ("name", JSONText.quoted(command.name)),
            ("path", JSONText.quoted(command.path)),
            ("cable", JSONText.quoted(command.cable)),
            ("params", array(command.parameters.map(JSONText.quoted))),
            ("max_running", number(command.maximumRunning)),
            ("started", number(counters.started)),
            ("succeeded", number(counters.succeeded)),
            ("failed", number(counters.failed)),
            ("timed_out", number(counters.timedOut)),
            ("stopped", number(counters.stopped)),
            ("spawn_failed", number(counters.spawnFailed)),
            ("rejected", object(counters.rejected.map { ($0.name, "\($0.count)") })),
            ("running", array(command.running.map(text))),
            ("last", array(command.last.map(text))),
        ])
    }

    private static func text(of run: Snapshot.Run) -> String {
        let (status, signal): (Int32?, Int32?) =
            switch run.exit {
            case .status(let status): (status, nil)
            case .signal(let signal): (nil, signal)
            case nil: (nil, nil)
            }
        return object([
            ("id", JSONText.quoted(run.id)),
            ("state", JSONText.quoted(run.state.rawValue)),
            ("exit_status", number(status)),
            ("signal", number(signal)),
            ("ending", run.ending.map { JSONText.quoted($0.rawValue) } ?? "null"),
            ("started_at", number(run.startedAt)),
            ("duration_ms", number(run.duration)),
            ("output_bytes", number(run.outputBytes)),
            ("remaining", array(run.remaining.map(JSONText.quoted))),
        ])
    }
}
