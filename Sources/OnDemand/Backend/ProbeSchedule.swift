/// When to probe a starting backend again, as a pure function of the elapsed time and the usual startup time.
///
/// Without recent startups the pauses are short at first, because small servers are up within milliseconds. They then
/// grow with the elapsed time, so that probing adds about 1/70 to a startup, and at most 1/30. A connect probe costs
/// more than a socket lookup and is rarer. With recent startups there are few probes before the quickest of them would
/// be over, and many afterwards, most of them within the window in which the recent startups ended: a backend whose
/// startups take the same time is found after 1/512 of it.
enum ProbeSchedule {
    static let shortest: Duration = .microseconds(100)
    static let shortestByConnecting: Duration = .microseconds(500)
    /// Up to here the added delay stays below 1 ms.
    static let dense: Duration = .milliseconds(50)
    static let longestWhileDense: Duration = .microseconds(500)
    static let longest: Duration = .milliseconds(50)
    /// Longest pause before a known backend is expected: a startup may have become quicker, which then delays one start
    /// only.
    static let longestBeforeExpected: Duration = .milliseconds(250)
    /// Longest pause at the beginning for a known backend: half of all lookups would fall into the first hundredth of
    /// its startup, and 0.1 ms does not matter to a startup of seconds.
    static let longestAtFirst: Duration = .milliseconds(5)
    /// Shortest pause after a response that is not the expected one.
    static let shortestAfterAnswer: Duration = .milliseconds(5)

    /// Number of pauses in the window of the recent startups.
    static let pausesInWindow: Int64 = 8

    /// Returns the pause after a failed attempt, `elapsed` after the spawn; `usual` is nil where too few startups are
    /// known.
    static func pause(
        after elapsed: Duration, usual: UsualStartup? = nil, byLookup: Bool, hasAnswered: Bool = false
    ) -> Duration {
        var pause = expectedPause(elapsed, usual, byLookup) ?? untrainedPause(elapsed, byLookup)
        if hasAnswered { pause = max(pause, shortestAfterAnswer) }
        return pause
    }

    /// Returns the pause without a usual time, or after it is over.
    private static func untrainedPause(_ elapsed: Duration, _ byLookup: Bool) -> Duration {
        var pause =
            byLookup ? max(shortest, share(34, of: elapsed)) : max(shortestByConnecting, share(30, of: elapsed))
        if byLookup, elapsed < dense { pause = min(pause, longestWhileDense) }
        return min(pause, longest)
    }

    /// Returns the pause before the usual time is over; nil after it. The backend is expected from 15/16 of that time
    /// on, for as long as would be 1/8 too slow, and most of all in the window. A lookup after a pause finds
    /// cold caches and costs three times as much, so lookups before that are few.
    private static func expectedPause(_ elapsed: Duration, _ usual: UsualStartup?, _ byLookup: Bool) -> Duration? {
        guard let usual, elapsed < usual.quickest + share(8, of: usual.quickest) else { return nil }
        let expected = usual.quickest - share(16, of: usual.quickest)
        let shortest = max(
            byLookup ? shortest : shortestByConnecting, min(share(500, of: usual.quickest), longestAtFirst))
        guard elapsed < expected else {
            return windowPause(elapsed, usual, byLookup)
        }
        let parts: Int64 =
            elapsed < share(32, of: usual.quickest) ? 2 : elapsed < share(2, of: expected) ? 4 : 8
        return max(shortest, min(share(parts, of: elapsed), longestBeforeExpected, expected - elapsed))
    }

    /// Returns the pause around the window of the recent startups: from 1/128 before the quickest to as long after the
    /// median as that is after the quickest, and 1/128.
    private static func windowPause(_ elapsed: Duration, _ usual: UsualStartup, _ byLookup: Bool) -> Duration {
        let margin = share(128, of: usual.quickest)
        let opens = usual.quickest - margin
        let closes = usual.median + (usual.median - usual.quickest) + margin
        let shortest = byLookup ? shortest : shortestByConnecting
        let usualPause = min(share(byLookup ? 100 : 50, of: elapsed), longest)
        if elapsed < opens { return max(shortest, min(usualPause + usualPause, opens - elapsed)) }
        guard elapsed < closes else { return max(shortest, usualPause) }
        return max(shortest, min(usualPause, share(pausesInWindow, of: closes - opens)))
    }

    /// Returns the pause between connect probes where lookups find no listener; long, because lookups rarely miss one.
    static func connectPause(after elapsed: Duration) -> Duration {
        min(max(.milliseconds(250), share(2, of: elapsed)), .seconds(1))
    }

    /// Divides in 64 bits: dividing a `Duration` uses 128 bits and would dominate the cost here.
    private static func share(_ parts: Int64, of elapsed: Duration) -> Duration {
        .nanoseconds(elapsed.wholeNanoseconds / parts)
    }
}
