/// Values of commands and runs for the status, read on request.
extension CommandRunner {
    func describe(_ id: CommandID, path: String) -> Snapshot.Command? {
        commands.describe(id, path: path, at: kernel.now()) { find($0, of: id).map(summary) }
    }

    func summary(_ run: Run) -> Snapshot.Run {
        if let summary = run.summary { return summary }
        var summary = Snapshot.Run(
            id: run.id.text, startedAt: run.startedAtWall, duration: kernel.now() - run.startedAt)
        summary.state = run.machine.shownState
        summary.outputBytes = run.output.byteCount
        summary.remaining = (run.remaining ?? []).map(\.shown)
        if case .ended(let outcome) = run.machine.state {
            summary.exit = outcome.exit
            summary.ending = outcome.ending
        }
        return summary
    }
}
