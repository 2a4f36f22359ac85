/// When to ask a starting backend again whether it is ready, as a pure function of how long it has been starting and of
/// how long that usually takes.
///
/// Of a stranger nothing is known. Dense at first, because small servers are up in milliseconds; then in proportion to
/// the time already spent, so that asking adds about a seventieth to a boot, and a thirtieth at worst. A knock is
/// dearer than a look, and rarer. Once some boots have been seen, hardly anybody is asked before the quickest of them
/// would be over, and then closely: less waiting for less work.
enum ProbeSchedule {
    static let shortest: Duration = .microseconds(100)
    static let shortestByKnock: Duration = .microseconds(500)
    /// Up to here what is added is not to be felt at all: less than a millisecond.
    static let dense: Duration = .milliseconds(50)
    static let longestWhileDense: Duration = .microseconds(500)
    static let longest: Duration = .milliseconds(50)
    /// Before a known backend is expected: a boot may have become quicker, and then only one start pays.
    static let longestBeforeExpected: Duration = .milliseconds(250)
    /// What a known backend is asked more rarely than others at the very beginning: who takes seconds has no use for an
    /// answer a tenth of a millisecond earlier, and half of all looks would be in the first hundredth of its boot.
    static let longestAtFirst: Duration = .milliseconds(5)
    /// Who has answered that it is not ready yet has work to do.
    static let shortestAfterAnswer: Duration = .milliseconds(5)

    /// The pause after an attempt that did not succeed, `elapsed` after the spawn; `usual` is the quickest of the
    /// recent boots, nil where too few are known.
    static func pause(
        after elapsed: Duration, usual: Duration? = nil, byLookup: Bool, hasAnswered: Bool = false
    ) -> Duration {
        var pause = unhurried(elapsed, usual, byLookup) ?? untaught(elapsed, byLookup)
        if hasAnswered { pause = max(pause, shortestAfterAnswer) }
        return pause
    }

    /// For whom nothing is known, or whose usual time is over.
    private static func untaught(_ elapsed: Duration, _ byLookup: Bool) -> Duration {
        var pause =
            byLookup ? max(shortest, share(34, of: elapsed)) : max(shortestByKnock, share(30, of: elapsed))
        if byLookup, elapsed < dense { pause = min(pause, longestWhileDense) }
        return min(pause, longest)
    }

    /// For who has a usual time that is not over. It is expected from fifteen sixteenths of that time on, and for as
    /// long again as would be an eighth too slow. A look after a pause finds cold caches and costs three times as much
    /// as one of many, so before that every look counts.
    private static func unhurried(_ elapsed: Duration, _ usual: Duration?, _ byLookup: Bool) -> Duration? {
        guard let usual, elapsed < usual + share(8, of: usual) else { return nil }
        let expected = usual - share(16, of: usual)
        let shortest = max(byLookup ? shortest : shortestByKnock, min(share(500, of: usual), longestAtFirst))
        guard elapsed < expected else {
            let pause = min(share(byLookup ? 100 : 50, of: elapsed), longest)
            // One look just when it is over, if it takes as long as always.
            let due = usual + share(256, of: usual)
            return max(shortest, elapsed < due ? min(pause, due - elapsed) : pause)
        }
        let parts: Int64 = elapsed < share(32, of: usual) ? 2 : elapsed < share(2, of: expected) ? 4 : 8
        return max(shortest, min(share(parts, of: elapsed), longestBeforeExpected, expected - elapsed))
    }

    /// Between two knocks where looks find nobody: rare, because hardly anybody is hidden from a look.
    static func connectPause(after elapsed: Duration) -> Duration {
        min(max(.milliseconds(250), share(2, of: elapsed)), .seconds(1))
    }

    /// A duration divides itself as a number of 128 bits, which costs more than everything else here.
    private static func share(_ parts: Int64, of elapsed: Duration) -> Duration {
        .nanoseconds(elapsed.wholeNanoseconds / parts)
    }
}
