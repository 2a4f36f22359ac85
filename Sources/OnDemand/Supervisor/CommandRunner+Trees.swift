/// The process trees of runs: their signals, those that no signal ends, and their end.
extension CommandRunner {
    /// The trees whose leader has exited, and of which others may remain.
    var awaitedTrees: [ProcessID] {
        guard runCount > 0 else { return [] }
        return runs.compactMap { $0?.machine.awaitsTree == true ? $0?.process : nil }
    }

    /// No process of the run's tree is left.
    func treeEnded(_ slot: Int) {
        guard runs.indices.contains(slot), let run = runs[slot] else { return }
        dispatch(run, .treeGone)
    }

    func signal(_ run: CommandRun, _ signal: StopSignal) {
        guard let process = run.process else { preconditionFailure("a signal without a process") }
        trees.changed(process)
        guard let code = kernel.signal(treeOf: process, signal) else { return }
        if !run.refusesSignals {
            run.refusesSignals = true
            let fields = [
                LogField("pid", process.number), LogField("signal", signal.name), LogField("detail", "\(code)"),
            ]
            log.record(.signalRefused, about(run) + fields)
        }
        for effect in run.machine.apply(.signalRefused(signal), at: kernel.now()) { perform(effect, run) }
    }

    /// Closes the terminal although processes are left. What they have printed until now is passed on.
    func hangUp(_ run: CommandRun) {
        guard let terminal = run.terminal else { return }
        (run.isReadable, run.isQueued) = (true, false)
        read(run)
        kernel.close(terminal)
        (run.terminal, run.isReadable) = (nil, false)
    }

    /// Updates the remaining processes of an overdue stop at each retry, and logs them once.
    func reportOverdue(_ run: CommandRun) {
        guard let process = run.process else { preconditionFailure("an overdue stop without a process") }
        let remaining = kernel.members(ofTreeOf: process, atMost: Limits.namedProcesses)
        let isKnown = run.remaining != nil
        run.remaining = remaining
        guard !isKnown else { return }
        log.record(
            .stopTimedOut,
            about(run) + [LogField("remaining", remaining.map(\.shown).joined(separator: ", "))])
    }
}
