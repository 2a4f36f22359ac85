/// The metrics of commands. The label `command` comes first.
extension Metrics {
    static let commands: [MetricFamily] = [
        of("runs", .gauge, "Runs in progress.") { [.init($0.running.count)] },
        of("max_running", .gauge, "The most runs at a time.") { [.init($0.maximumRunning)] },
        of("runs_started_total", .counter, "Runs that were accepted.") { [.init($0.counters.started)] },
        of("runs_ended_total", .counter, "Runs that have ended, by result.") { command in
            let counters = command.counters
            return [
                .init(counters.succeeded, [("result", "succeeded")]), .init(counters.failed, [("result", "failed")]),
                .init(counters.timedOut, [("result", "timed_out")]), .init(counters.stopped, [("result", "stopped")]),
                .init(counters.spawnFailed, [("result", "spawn_failed")]),
            ]
        },
        of("rejected_requests_total", .counter, "Requests that started no run, by reason.") { command in
            command.counters.rejected.map { .init($0.count, [("reason", $0.name)]) }
        },
        of("last_run_succeeded", .gauge, "1 if the last run ended with status 0, 0 otherwise.") { command in
            command.last.first.map { [.init($0.hasSucceeded ? 1 : 0)] } ?? []
        },
        of("last_run_seconds", .gauge, "Duration of the last run.") { command in
            command.last.first.map { [.init($0.duration)] } ?? []
        },
    ]

    private static func of(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String,
        _ samples: @escaping @Sendable (Snapshot.Command) -> [MetricFamily.Sample]
    ) -> MetricFamily {
        .each("command", of: { $0.commands.map { ($0.name, $0) } }, name, kind, help, samples)
    }
}
