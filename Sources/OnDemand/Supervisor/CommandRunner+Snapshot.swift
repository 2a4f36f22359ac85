/// Values of commands and runs for the status, read on request.
extension CommandRunner {
    func describe(_ id: CommandID, path: String) -> Snapshot.Command? {
        commands.describe(id, path: path, at: kernel.now()) { find($0, of: id)?.summary(at: kernel.now()) }
    }
}

extension CommandRun {
    func summary(at now: Instant) -> Snapshot.Run {
        if let summary { return summary }
        var summary = Snapshot.Run(id: id.text, startedAt: startedAtWall, duration: now - startedAt)
        summary.state = machine.shownState
        summary.outputBytes = output.byteCount
        summary.remaining = (remaining ?? []).map(\.shown)
        if case .ended(let outcome) = machine.state {
            summary.exit = outcome.exit
            summary.ending = outcome.ending
        }
        return summary
    }
}
