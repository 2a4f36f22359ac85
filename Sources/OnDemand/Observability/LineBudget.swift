/// A token bucket of log lines of one kind, so that rejected clients cannot flood the log.
///
/// Lines over the budget are counted, and the next line reports their number.
struct LineBudget {
    private var rateLimiter = RateLimiter(messagesPerSecond: Limits.linesPerSecond)
    private var leftOut = 0

    /// Takes a line; returns the number of lines suppressed before it, or nil where this one is suppressed.
    mutating func spend(at now: Instant) -> Int? {
        guard rateLimiter.next(after: now) == nil else {
            leftOut += 1
            return nil
        }
        defer { leftOut = 0 }
        rateLimiter.spend(1, at: now)
        return leftOut
    }
}
