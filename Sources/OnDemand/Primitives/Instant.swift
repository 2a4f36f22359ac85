/// A point on the monotonic clock, in nanoseconds since an arbitrary origin (clock_gettime(2), CLOCK_MONOTONIC).
///
/// Only kernels create instants; machines receive them.
struct Instant: Comparable, Hashable, Sendable {
    let nanoseconds: Int64

    static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturates instead of trapping: a very long configured duration means "never".
    static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(left.nanoseconds - right.nanoseconds)
    }
}

extension Duration {
    /// The duration in nanoseconds, saturated at about 292 years.
    var wholeNanoseconds: Int64 { Int64(clamping: attoseconds / 1_000_000_000) }

    /// Milliseconds, rounded down, for logs.
    var wholeMilliseconds: Int64 { wholeNanoseconds / 1_000_000 }

    /// Seconds, rounded up, for `Retry-After` (RFC 9110, 10.2.3).
    var secondsRoundedUp: Int64 {
        let (seconds, rest) = wholeNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return rest > 0 ? seconds + 1 : seconds
    }
}
