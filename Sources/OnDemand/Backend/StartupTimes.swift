/// How long a backend's recent starts took, from spawn to ready: what a waiting client may be told, and what is slow.
struct StartupTimes: Equatable, Sendable {
    /// Enough to forget a bad day, few enough to sort at each question.
    static let remembered = 20
    /// Fewer tell nothing about what is usual.
    static let fewest = 3
    /// A start is slow from this many medians on, and never before `leastSlow`: three times nothing is still nothing.
    static let slowFactor = 3
    static let leastSlow: Duration = .milliseconds(500)

    /// The latest last.
    private(set) var recent: [Duration] = []

    mutating func record(_ startup: Duration) {
        if recent.count == Self.remembered { recent.removeFirst() }
        recent.append(startup)
    }

    /// The middle one, the longer of two; nil before any start.
    var median: Duration? { recent.isEmpty ? nil : recent.sorted()[recent.count / 2] }

    /// Before this nobody need be asked often; nil while nothing is known.
    var quickest: Duration? { recent.count >= Self.fewest ? recent.min() : nil }

    /// How long after the spawn a start is worth a warning; nil while nothing is known.
    var slowAfter: Duration? {
        guard recent.count >= Self.fewest, let median else { return nil }
        return max(median * Self.slowFactor, Self.leastSlow)
    }

    /// When a client that cannot be held should come back: when this start is usually over.
    func retryAfter(elapsed: Duration) -> Duration { max((median ?? .zero) - elapsed, .seconds(1)) }
}
