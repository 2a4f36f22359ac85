/// When to ask a starting backend again whether it is ready, as a pure function of how long it has been starting.
///
/// Dense at first, because small servers are up in milliseconds; then in proportion to the time already spent, so that
/// asking adds about a sixtieth to a boot, and a thirtieth at worst.
enum ProbeSchedule {
    static let shortest: Duration = .microseconds(500)
    /// While boots are still ordinary the wait that asking adds is at most 20 ms.
    static let longestWhileOrdinary: Duration = .milliseconds(20)
    static let ordinary: Duration = .seconds(30)
    static let longest: Duration = .milliseconds(50)
    /// Who has answered that it is not ready yet has work to do.
    static let shortestAfterAnswer: Duration = .milliseconds(5)

    /// The pause after an attempt that did not succeed, `elapsed` after the spawn.
    static func pause(after elapsed: Duration, hasAnswered: Bool = false) -> Duration {
        let proportional = max(hasAnswered ? shortestAfterAnswer : shortest, elapsed / 30)
        return min(proportional, elapsed <= ordinary ? longestWhileOrdinary : longest)
    }
}
