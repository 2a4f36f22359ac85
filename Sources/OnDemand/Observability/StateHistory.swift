/// The states of a service over the last 24 hours.
///
/// Written on changes only: a quiet day needs neither timers nor memory. It uses the wall clock; where that is set
/// back, later entries move to the present.
struct StateHistory: Equatable, Sendable {
    /// One state; it lasts until the next interval begins.
    struct Interval: Equatable, Sendable {
        /// nil: unknown, because the daemon was not running.
        let state: BackendState?
        /// Seconds since 1970.
        var since: Int64
    }

    static let seconds: Int64 = 24 * 60 * 60

    /// Oldest first; the first one may have begun before the day.
    private(set) var intervals: [Interval] = []

    /// Records the state, if it changed.
    mutating func entered(_ state: BackendState?, at now: Int64) {
        guard intervals.isEmpty || intervals.last?.state != state else { return }
        settle(at: now)
        intervals.append(Interval(state: state, since: now))
        if intervals.count > Limits.historyIntervals { intervals.removeFirst() }
    }

    /// Returns the history up to now.
    func completed(at now: Int64) -> StateHistory {
        var day = self
        day.settle(at: now)
        return day
    }

    /// Returns the saved history; the time between its end and now is unknown.
    static func restored(_ intervals: [Interval], savedAt: Int64, at now: Int64) -> StateHistory {
        var day = StateHistory(intervals: intervals.filter { $0.since <= savedAt })
        if !day.intervals.isEmpty { day.entered(nil, at: min(savedAt, now)) }
        day.settle(at: now)
        return day
    }

    /// Drops intervals before the day, except the last one, which reaches into it.
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
