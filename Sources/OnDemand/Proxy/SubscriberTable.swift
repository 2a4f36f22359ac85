/// The connections that get a stream: of status events, of a backend's output, or of a run's output.
///
/// Status events: a change is pushed after `Limits.statusBurst`, with all changes until then; without a change the
/// next event follows after `Limits.statusRefresh`, because memory and ages change without an event.
///
/// Invariants: a connection leaves the table when it is closed. Without subscribers of the status nothing is armed, and
/// a change costs nothing.
final class SubscriberTable<K: Kernel> {
    private let reactor: Reactor<K>
    /// In order of arrival.
    private var status: [Token] = []
    /// A status event is due after `Limits.statusBurst`.
    private var isChanged = false
    private var output: [(token: Token, backend: BackendID)] = []
    private var runs: Set<Token> = []

    init(reactor: Reactor<K>) { self.reactor = reactor }

    /// Returns whether the connection followed a run.
    func remove(_ token: Token) -> Bool {
        status.removeAll { $0 == token }
        output.removeAll { $0.token == token }
        return runs.remove(token) != nil
    }

    // MARK: Status events

    func subscribeToStatus(_ token: Token) {
        status.append(token)
        if !isChanged { arm(after: Limits.statusRefresh) }
    }

    /// The state of a service has changed.
    @inline(__always)
    func statusChanged() {
        if !status.isEmpty { scheduleEvent() }
    }

    private func scheduleEvent() {
        guard !isChanged else { return }
        isChanged = true
        arm(after: Limits.statusBurst)
    }

    private func arm(after delay: Duration) { reactor.arm(.status, at: reactor.kernel.now() + delay) }

    var hasStatusSubscribers: Bool { !status.isEmpty }

    /// Returns the subscribers of an event with the state of now.
    func beginEvent() -> [Token] {
        isChanged = false
        if !status.isEmpty { arm(after: Limits.statusRefresh) }
        return status
    }

    // MARK: Output of backends

    func subscribe(_ token: Token, toOutputOf id: BackendID) { output.append((token, id)) }

    func subscribers(ofOutputOf id: BackendID) -> [Token] {
        output.isEmpty ? [] : output.filter { $0.backend == id }.map(\.token)
    }

    // MARK: Output of runs

    func subscribeToRun(_ token: Token) { runs.insert(token) }

    func followsRun(_ token: Token) -> Bool { runs.contains(token) }

    /// Returns false if the connection did not follow a run.
    func endRun(for token: Token) -> Bool { runs.remove(token) != nil }

    var hasRunSubscribers: Bool { !runs.isEmpty }
}
