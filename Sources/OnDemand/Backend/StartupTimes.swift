/// The length of the recent startups, before which probes are rare and around which they are dense.
struct UsualStartup: Equatable, Sendable {
    var quickest: Duration
    /// Not less than `quickest`.
    var median: Duration
}

/// The recent startup times of a backend, from spawn to ready; basis of Retry-After and of `startup_slow`.
struct StartupTimes: Equatable, Sendable {
    /// Number of kept startup times.
    static let remembered = 20
    /// Fewest startup times for statements about the usual time.
    static let fewest = 3
    /// A startup is slow after this many medians, and never before `leastSlow`.
    static let slowFactor = 3
    static let leastSlow: Duration = .milliseconds(500)

    /// Oldest first.
    private(set) var recent: [Duration] = []

    mutating func record(_ startup: Duration) {
        if recent.count == Self.remembered { recent.removeFirst() }
        recent.append(startup)
    }

    /// The median, the longer of two; nil before the first start.
    var median: Duration? { recent.isEmpty ? nil : recent.sorted()[recent.count / 2] }

    /// When the next startup is expected to end; nil while too few are known.
    var usual: UsualStartup? {
        guard recent.count >= Self.fewest, let quickest = recent.min(), let median else { return nil }
        return UsualStartup(quickest: quickest, median: median)
    }

    /// Time from the spawn to a `startup_slow` warning; nil while too few are known.
    var slowAfter: Duration? {
        guard recent.count >= Self.fewest, let median else { return nil }
        return max(median * Self.slowFactor, Self.leastSlow)
    }

    /// Retry-After for a request that cannot be queued: the usual end of this start.
    func retryAfter(elapsed: Duration) -> Duration { max((median ?? .zero) - elapsed, .seconds(1)) }
}
