/// How fast one client may send: messages per second, with one second's worth in a burst.
///
/// A bucket without a clock: it remembers only when it would be empty again.
struct RateLimiter: Equatable {
    /// When everything that was sent so far would have been due at an even pace.
    private var due = Instant(nanoseconds: 0)
    /// Nanoseconds, a second at most: a `Duration` would be four times as large.
    private let interval: UInt32

    private static let burst: Duration = .seconds(1)

    init(messagesPerSecond: Int) { interval = UInt32(1_000_000_000 / messagesPerSecond) }

    mutating func spend(_ messages: UInt32, at now: Instant) {
        due = max(due, now) + .nanoseconds(Int64(interval) * Int64(messages))
    }

    /// When more may be read; nil is now.
    func next(after now: Instant) -> Instant? {
        let next = due + (.zero - Self.burst)
        return next > now ? next : nil
    }
}
