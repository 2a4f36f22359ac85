/// The backends of a supervisor: by ID, in the order of their starts, and those that are being removed.
///
/// Invariants: required backends come before their dependents, except during a reload. An ID belongs to at most one
/// backend. A name of a kind is being removed at most once: a second removal restores the first.
final class BackendList {
    /// Key of a backend that is being removed.
    private struct Removal: Hashable {
        let name: String
        let kind: SupervisedBackend.Kind
    }

    /// Iteration uses this list, because no decision may depend on the order of a dictionary.
    private(set) var inOrder: [SupervisedBackend]
    private var byID: [BackendID: SupervisedBackend]
    private var removals: [Removal: SupervisedBackend] = [:]
    /// Whether any backend requires another one.
    private(set) var anyRequires = false
    /// A reload is in progress. The start order is computed at its end.
    private var isChanging = false

    init(_ backends: [SupervisedBackend]) {
        inOrder = backends
        byID = Dictionary(uniqueKeysWithValues: backends.map { ($0.id, $0) })
        arrange()
    }

    subscript(id: BackendID) -> SupervisedBackend? { byID[id] }

    func named(_ name: String) -> SupervisedBackend? { inOrder.first { $0.name == name } }

    var removedCount: Int { removals.count }

    // MARK: Order

    func beginChanges() { isChanging = true }

    func endChanges() {
        isChanging = false
        arrange()
    }

    /// Sorts the backends so that required ones come first.
    func arrange() {
        guard !isChanging else { return }
        anyRequires = inOrder.contains { !$0.machine.policy.requires.isEmpty }
        let entries = inOrder.map { DependencyOrder.Entry(name: $0.name, requires: $0.machine.policy.requires) }
        inOrder = DependencyOrder.positions(of: entries).map { inOrder[$0] }
    }

    // MARK: Changes

    func insert(_ backend: SupervisedBackend) {
        inOrder.append(backend)
        byID[backend.id] = backend
        arrange()
    }

    /// Marks a backend that is forgotten once its processes have exited.
    func remove(_ backend: SupervisedBackend) {
        removals[Removal(name: backend.name, kind: backend.kind)] = backend
    }

    /// Whether a backend is removed from the configuration, and not forgotten yet.
    func isRemoved(_ backend: SupervisedBackend) -> Bool {
        !removals.isEmpty && removals[Removal(name: backend.name, kind: backend.kind)] === backend
    }

    /// Restores a backend that is being removed. Returns nil if there is none.
    func restore(_ name: String, _ kind: SupervisedBackend.Kind) -> BackendID? {
        guard let backend = removals.removeValue(forKey: Removal(name: name, kind: kind)) else { return nil }
        return backend.id
    }

    /// Forgets removed backends without processes, and returns their IDs.
    func forgetRemoved() -> [BackendID] {
        guard !removals.isEmpty else { return [] }
        let gone = inOrder.filter { isRemoved($0) && $0.isAtRest }
        guard !gone.isEmpty else { return [] }
        for backend in gone {
            byID[backend.id] = nil
            removals[Removal(name: backend.name, kind: backend.kind)] = nil
        }
        inOrder.removeAll { byID[$0.id] !== $0 }
        return gone.map(\.id)
    }

    // MARK: Addresses

    /// Another backend with a process at the address that this one is configured for.
    func usesAddress(of backend: SupervisedBackend) -> Bool {
        inOrder.contains { other in
            other !== backend && other.child != nil && other.address == backend.target && other.address != nil
        }
    }

    /// Whether a running backend was given this address.
    func isTaken(_ address: SocketAddress, besides backend: SupervisedBackend) -> Bool {
        inOrder.contains { $0 !== backend && $0.child != nil && $0.address == address }
    }

    /// Two enabled backends cannot listen at one address. Alternatives, of which one is enabled, can share it.
    func rival(of backend: SupervisedBackend, at target: SocketAddress) -> SupervisedBackend? {
        // With a port per start there is no conflict.
        guard !backend.picksPort else { return nil }
        return inOrder.first { other in
            let mayListen = other.machine.standing != .disabled || other.machine.state != .asleep
            return other !== backend && other.target == target && mayListen
        }
    }

    // MARK: The shutdown

    /// Whether a backend may be stopped in a shutdown: a service after its dependents, a process after everything that
    /// started later. One without a process can stop at once.
    func mayStop(_ backend: SupervisedBackend, at position: Int) -> Bool {
        switch backend.machine.state {
        case .asleep, .backoff, .shuttingDown: return true
        case .starting, .awake, .stopping: break
        }
        return inOrder[(position + 1)...].allSatisfy { other in
            let mustGoFirst = backend.kind == .process || other.machine.policy.requires.contains(backend.name)
            return !mustGoFirst || other.machine.state == .shuttingDown
        }
    }
}
