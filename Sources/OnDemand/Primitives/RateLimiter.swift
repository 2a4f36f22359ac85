/// Limits the messages per second of one client, with bursts of one second's worth.
///
/// A token bucket without a clock: it stores only the time at which it is empty.
struct RateLimiter: Equatable {
    /// The time at which all messages so far would be due at an even rate.
    private var due = Instant(nanoseconds: 0)
    /// Nanoseconds per message, at most 1 s; a `Duration` would be four times as large.
    private let interval: UInt32

    private static let burst: Duration = .seconds(1)

    init(messagesPerSecond: Int) { interval = UInt32(1_000_000_000 / messagesPerSecond) }

    mutating func spend(_ messages: UInt32, at now: Instant) {
        due = max(due, now) + .nanoseconds(Int64(interval) * Int64(messages))
    }

    /// Returns when reading may continue; nil is now.
    func next(after now: Instant) -> Instant? {
        let next = due + (.zero - Self.burst)
        return next > now ? next : nil
    }
}
