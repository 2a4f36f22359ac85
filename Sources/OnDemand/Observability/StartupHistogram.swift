/// How long all starts took, from spawn to ready, in steps that never change: what graphs over weeks are drawn from.
struct StartupHistogram: Equatable {
    /// From a small native server to a large application on a small machine.
    static let bounds: [Duration] =
        [50, 100, 250, 500].map { .milliseconds($0) } + [.seconds(1), .milliseconds(2500)]
        + [5, 10, 30, 60].map { .seconds($0) }

    /// Of each step, the last one without an end.
    private var counts = Array(repeating: 0, count: bounds.count + 1)
    private(set) var total = Duration.zero
    var count: Int { counts.reduce(0, +) }

    mutating func record(_ startup: Duration) {
        counts[Self.bounds.firstIndex { startup <= $0 } ?? Self.bounds.count] += 1
        total += startup
    }

    /// How many took no longer than each bound.
    var upToBounds: [Int] {
        var sum = 0
        return Self.bounds.indices.map { index in
            sum += counts[index]
            return sum
        }
    }
}
