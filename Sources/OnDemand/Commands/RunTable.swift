/// The runs of one command: those in progress, and those that have ended and are kept for questions about them.
///
/// An ended run is kept for `Limits.keptRunTime`, and at most `Limits.keptRuns` of them are, the latest. Nothing wakes
/// the daemon for that: expired runs are forgotten when the table is used.
struct RunTable: Equatable {
    private struct Kept: Equatable {
        let run: Snapshot.Run
        let until: Instant
    }

    /// In progress, in the order of their starts.
    private(set) var running: [RunID] = []
    /// The oldest first.
    private var kept: [Kept] = []

    /// The run that prevents another one; nil: another one may start.
    func conflict(maximum: Int) -> RunID? { running.count < maximum ? nil : running.first }

    mutating func started(_ id: RunID) { running.append(id) }

    /// `run` is its last state.
    mutating func ended(_ id: RunID, as run: Snapshot.Run, at now: Instant) {
        running.removeAll { $0 == id }
        kept.append(Kept(run: run, until: now + Limits.keptRunTime))
        forgetOld(at: now)
    }

    mutating func forgetOld(at now: Instant) {
        kept.removeAll { $0.until <= now }
        if kept.count > Limits.keptRuns { kept.removeFirst(kept.count - Limits.keptRuns) }
    }

    /// An ended run that is kept.
    func ended(_ id: RunID, at now: Instant) -> Snapshot.Run? {
        kept.first { $0.run.id == id.text && $0.until > now }?.run
    }

    /// The latest first.
    func last(at now: Instant) -> [Snapshot.Run] { kept.reversed().filter { $0.until > now }.map(\.run) }
}
