/// How a service was when, over the last 24 hours: the state that it is in, since when, and those before.
///
/// Kept by changes alone: while nothing happens nothing is written, so a quiet day costs neither a timer nor a byte.
/// Its clock is the wall's, because people read it; where that is set back, what seems to lie ahead has just happened.
struct StateHistory: Equatable, Sendable {
    /// One state; it lasts until the next one begins.
    struct Interval: Equatable, Sendable {
        /// nil: unknown, because the daemon was not running.
        let state: BackendState?
        /// Seconds since 1970.
        var since: Int64
    }

    static let seconds: Int64 = 24 * 60 * 60

    /// The oldest first; it may have begun before the day.
    private(set) var intervals: [Interval] = []

    /// The state may have changed.
    mutating func entered(_ state: BackendState?, at now: Int64) {
        guard intervals.isEmpty || intervals.last?.state != state else { return }
        settle(at: now)
        intervals.append(Interval(state: state, since: now))
        if intervals.count > Limits.historyIntervals { intervals.removeFirst() }
    }

    /// As it is to be told now.
    func completed(at now: Int64) -> StateHistory {
        var day = self
        day.settle(at: now)
        return day
    }

    /// Of a daemon that ended then; nobody knows what was between that and now.
    static func restored(_ intervals: [Interval], savedAt: Int64, at now: Int64) -> StateHistory {
        var day = StateHistory(intervals: intervals.filter { $0.since <= savedAt })
        if !day.intervals.isEmpty { day.entered(nil, at: min(savedAt, now)) }
        day.settle(at: now)
        return day
    }

    /// Of what began before the day only the last one is kept: it reaches into it.
    private mutating func settle(at now: Int64) {
        for index in intervals.indices.reversed() {
            guard intervals[index].since > now else { break }
            intervals[index].since = now
        }
        let begin = now - Self.seconds
        let gone = intervals.dropFirst().prefix { $0.since <= begin }.count
        intervals.removeFirst(gone)
    }
}
