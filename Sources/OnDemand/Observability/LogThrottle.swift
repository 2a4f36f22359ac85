/// Limits log lines that untrusted peers can cause: a number per interval; the rest is counted.
struct LogThrottle: Equatable {
    private var windowEnd = Instant(nanoseconds: 0)
    private var lines = 0
    private var suppressed = 0

    /// Returns the number of lines suppressed before this one; nil where this one is suppressed.
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
