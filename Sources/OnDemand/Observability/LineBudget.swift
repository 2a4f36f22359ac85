/// How many lines of one kind the log takes: a flood of clients that are sent away must not flood the log.
///
/// A bucket of lines that fills again with time. Lines beyond it are counted, and the next line tells their number.
struct LineBudget {
    private var rateLimiter = RateLimiter(messagesPerSecond: Limits.linesPerSecond)
    private var leftOut = 0

    /// For a line at this moment: how many lines were left out since the last one; nil where this one is left out.
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
