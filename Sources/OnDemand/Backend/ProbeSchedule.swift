/// When to ask a starting backend again whether it is ready, as a pure function of how long it has been starting.
///
/// Dense at first, because small servers are up in milliseconds; then in proportion to the time already spent, so that
/// asking adds about a seventieth to a boot, and a thirtieth at worst. A knock is dearer than a look, and rarer.
enum ProbeSchedule {
    static let shortest: Duration = .microseconds(100)
    static let shortestByKnock: Duration = .microseconds(500)
    /// Up to here what is added is not to be felt at all: less than a millisecond.
    static let dense: Duration = .milliseconds(50)
    static let longestWhileDense: Duration = .microseconds(500)
    static let longest: Duration = .milliseconds(50)
    /// Who has answered that it is not ready yet has work to do.
    static let shortestAfterAnswer: Duration = .milliseconds(5)

    /// The pause after an attempt that did not succeed, `elapsed` after the spawn.
    static func pause(after elapsed: Duration, byLook: Bool, hasAnswered: Bool = false) -> Duration {
        var pause =
            byLook ? max(shortest, share(34, of: elapsed)) : max(shortestByKnock, share(30, of: elapsed))
        if byLook, elapsed < dense { pause = min(pause, longestWhileDense) }
        if hasAnswered { pause = max(pause, shortestAfterAnswer) }
        return min(pause, longest)
    }

    /// Between two knocks where looks find nobody: rare, because hardly anybody is hidden from a look.
    static func knockPause(after elapsed: Duration) -> Duration {
        min(max(.milliseconds(250), share(2, of: elapsed)), .seconds(1))
    }

    /// A duration divides itself as a number of 128 bits, which costs more than everything else here.
    private static func share(_ parts: Int64, of elapsed: Duration) -> Duration {
        .nanoseconds(elapsed.wholeNanoseconds / parts)
    }
}
