/// When to ask a starting backend whether it accepts connections yet, as a pure function of how long it has been
/// starting.
///
/// Dense at first, because small servers are up in milliseconds; then in proportion to the time already spent, so that
/// asking adds about a fiftieth to a boot and costs well under a hundredth of a core.
enum ProbeSchedule {
    static let shortest: Duration = .microseconds(500)
    /// While boots are still ordinary the wait that asking adds stays under 20 ms even at its worst.
    static let longestWhileOrdinary: Duration = .milliseconds(16)
    static let ordinary: Duration = .seconds(30)
    static let longest: Duration = .milliseconds(50)

    /// The pause after an attempt that was refused, `elapsed` after the spawn.
    static func pause(after elapsed: Duration) -> Duration {
        let proportional = max(shortest, elapsed / 50)
        return min(proportional, elapsed <= ordinary ? longestWhileOrdinary : longest)
    }
}
