/// A histogram of all startup times, from spawn to ready, with fixed bounds.
struct StartupHistogram: Equatable {
    /// From a small native server to a large application on a small machine.
    static let bounds: [Duration] =
        [50, 100, 250, 500].map { .milliseconds($0) } + [.seconds(1), .milliseconds(2500)]
        + [5, 10, 30, 60].map { .seconds($0) }

    /// Counts per bucket; the last one has no upper bound.
    private var counts = Array(repeating: 0, count: bounds.count + 1)
    private(set) var total = Duration.zero
    var count: Int { counts.reduce(0, +) }

    mutating func record(_ startup: Duration) {
        counts[Self.bounds.firstIndex { startup <= $0 } ?? Self.bounds.count] += 1
        total += startup
    }

    /// Cumulative counts up to each bound.
    var upToBounds: [Int] {
        var sum = 0
        return Self.bounds.indices.map { index in
            sum += counts[index]
            return sum
        }
    }
}
