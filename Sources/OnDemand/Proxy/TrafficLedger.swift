/// What one thread has carried and the thread that tells of it has not yet taken over.
final class TrafficLedger: Sendable {
    /// By the index of the service.
    private let entries = Guarded<[Traffic]>([])

    /// What has moved since the last time is entered, and begins anew.
    func enter(_ traffic: inout [Traffic]) {
        guard traffic.contains(where: { $0.hasMoved }) else { return }
        entries.withLock { $0.add(traffic) }
        for index in traffic.indices where traffic[index].hasMoved { traffic[index] = Traffic() }
    }

    /// Adds it to what has been taken over before.
    func settle(into total: inout [Traffic]) {
        let entered = entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
        total.add(entered)
    }
}

extension [Traffic] {
    fileprivate mutating func add(_ more: [Traffic]) {
        for index in more.indices where more[index].hasMoved {
            while count <= index { append(Traffic()) }
            self[index].add(more[index])
        }
    }
}
