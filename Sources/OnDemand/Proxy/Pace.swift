/// How fast one client may send: messages per second, with one second's worth in a burst.
///
/// A bucket without a clock: it remembers only when it would be empty again.
struct Pace: Equatable {
    private let interval: Duration
    /// When everything that was sent so far would have been due at an even pace.
    private var due = Instant(nanoseconds: 0)

    private static let burst: Duration = .seconds(1)

    init(messagesPerSecond: Int) { interval = .nanoseconds(1_000_000_000 / messagesPerSecond) }

    mutating func spend(_ messages: UInt32, at now: Instant) {
        due = max(due, now) + interval * Int(messages)
    }

    /// When more may be read; nil is now.
    func next(after now: Instant) -> Instant? {
        let next = due + (.zero - Self.burst)
        return next > now ? next : nil
    }
}
