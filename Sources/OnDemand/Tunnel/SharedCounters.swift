/// Traffic counters that a worker publishes and the main thread collects.
final class SharedCounters: Sendable {
    /// By service index.
    private let entries = LockedBox<[Traffic]>([])

    /// Adds the traffic since the last call and resets `traffic`.
    func enter(_ traffic: inout [Traffic]) {
        guard traffic.contains(where: { $0.hasMoved }) else { return }
        entries.withLock { traffic.move(into: &$0) }
    }

    /// Adds the published traffic to `total` and resets it here.
    func merge(into total: inout [Traffic]) {
        entries.withLock { $0.move(into: &total) }
    }
}

extension [Traffic] {
    fileprivate mutating func move(into sums: inout [Traffic]) {
        for index in indices where self[index].hasMoved {
            while sums.count <= index { sums.append(Traffic()) }
            self[index].move(into: &sums[index])
        }
    }
}
