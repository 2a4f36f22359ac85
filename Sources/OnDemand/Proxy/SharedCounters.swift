/// What one thread has carried and the thread that tells of it has not yet taken over.
final class SharedCounters: Sendable {
    /// By the index of the service.
    private let entries = LockedBox<[Traffic]>([])

    /// What has moved since the last time is entered, and begins anew.
    func enter(_ traffic: inout [Traffic]) {
        guard traffic.contains(where: { $0.hasMoved }) else { return }
        entries.withLock { traffic.move(into: &$0) }
    }

    /// Adds it to what has been taken over before.
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
