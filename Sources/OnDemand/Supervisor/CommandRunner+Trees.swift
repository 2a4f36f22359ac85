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
}
