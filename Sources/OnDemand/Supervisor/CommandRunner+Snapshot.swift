/// Values of commands and runs for the status, read on request.
extension CommandRunner {
    func describe(_ id: CommandID, path: String) -> Snapshot.Command? {
        guard commands.indices.contains(id.index), let command = commands[id.index], !command.isRemoved else {
            return nil
        }
        let definition = command.definition
        var description = Snapshot.Command(name: definition.name, path: path, cable: definition.cable)
        description.parameters = definition.parameters
        description.maximumRunning = definition.maximumRunning
        description.counters = command.counters
        description.counters.rejected = command.rejected.all
        description.running = command.table.running.compactMap { find($0, of: id) }.map(summary)
        description.last = command.table.last(at: kernel.now())
        return description
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
