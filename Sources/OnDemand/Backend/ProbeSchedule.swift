/// When to probe a starting backend again, as a pure function of the elapsed time and the usual startup time.
///
/// Without recent startups the pauses are short at first, because small servers are up within milliseconds. They then
/// grow with the elapsed time, so that probing adds about 1/70 to a startup, and at most 1/30. A connect probe costs
/// more than a socket lookup and is rarer. With recent startups there are few probes before the quickest of them would
/// be over, and many afterwards.
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

    /// Returns the pause after a failed attempt, `elapsed` after the spawn; `usual` is the quickest of the recent
    /// startups, nil where too few are known.
    static func pause(
        after elapsed: Duration, usual: Duration? = nil, byLookup: Bool, hasAnswered: Bool = false
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
    /// on, for as long as would be 1/8 too slow. A lookup after a pause finds cold caches and costs three times as
    /// much, so lookups before that are few.
    private static func expectedPause(_ elapsed: Duration, _ usual: Duration?, _ byLookup: Bool) -> Duration? {
        guard let usual, elapsed < usual + share(8, of: usual) else { return nil }
        let expected = usual - share(16, of: usual)
        let shortest = max(byLookup ? shortest : shortestByConnecting, min(share(500, of: usual), longestAtFirst))
        guard elapsed < expected else {
            let pause = min(share(byLookup ? 100 : 50, of: elapsed), longest)
            // One lookup right when it is due.
            let due = usual + share(256, of: usual)
            return max(shortest, elapsed < due ? min(pause, due - elapsed) : pause)
        }
        let parts: Int64 = elapsed < share(32, of: usual) ? 2 : elapsed < share(2, of: expected) ? 4 : 8
        return max(shortest, min(share(parts, of: elapsed), longestBeforeExpected, expected - elapsed))
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
