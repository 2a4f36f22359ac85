/// Keeps lines that a stranger can cause from flooding the log: so many in a while, the rest is counted.
struct LogThrottle: Equatable {
    private var windowEnd = Instant(nanoseconds: 0)
    private var lines = 0
    private var suppressed = 0

    /// How many lines were left out before this one; nil where this one is left out too.
    mutating func admit(at now: Instant) -> Int? {
        if now >= windowEnd {
            windowEnd = now + Limits.unauthorizedLogWindow
            lines = 0
        }
        guard lines < Limits.unauthorizedLogLines else {
            suppressed += 1
            return nil
        }
        lines += 1
        defer { suppressed = 0 }
        return suppressed
    }
}
