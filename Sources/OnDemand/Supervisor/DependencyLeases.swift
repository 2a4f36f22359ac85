/// The leases of backends on those that they require. A dependent uses a ticket and a lease like a client, so idleness,
/// generations and refusals need no rules of their own.
///
/// States of a lease: `asked` (ticket queued), `held` (lease of a generation), `lost` (refused or ended).
///
/// - A start waits in phase `awaitingDependencies` until every dependency is held, or lost and not restarting.
/// - A required backend whose gate closes loses its leases. They are requested again if it restarts.
/// - Requests are returned: the supervisor performs them when the current event is finished.
struct DependencyLeases {
    /// What a required backend is asked for, or told.
    enum Request {
        case want(SupervisedBackend, Ticket)
        case abandon(SupervisedBackend, Ticket)
        /// Its last lease was returned.
        case unused(SupervisedBackend, Generation)
    }

    private enum State: Equatable {
        case asked
        case held(Generation)
        /// Ended or refused. The backend does not wait for it.
        case lost
    }

    private struct Lease {
        let required: SupervisedBackend
        /// Ticket of this request. A reply with an earlier ticket is ignored.
        var ticket: Ticket
        var state = State.asked
    }

    /// By the dependent; one lease for each name in its `requires`.
    private var leases: [BackendID: [Lease]] = [:]
    private var lastTicket: UInt64 = 0

    /// Whether all leases that a start waits for are there.
    func areComplete(for dependent: SupervisedBackend) -> Bool {
        leases[dependent.id, default: []].allSatisfy { lease in
            switch lease.state {
            case .asked: false
            case .held: true
            case .lost: !lease.required.machine.policy.restarts
            }
        }
    }

    /// The generations that a dependent has leases of.
    func held(by dependent: BackendID) -> [(required: SupervisedBackend, generation: Generation)] {
        leases[dependent, default: []].compactMap { lease in
            if case .held(let generation) = lease.state { (lease.required, generation) } else { nil }
        }
    }

    /// Requests the leases that are missing or lost. `find` returns the backend of a name; without one the start fails.
    mutating func acquire(
        for dependent: SupervisedBackend, find: (String) -> SupervisedBackend?
    ) -> (requests: [Request], missing: String?) {
        var requests: [Request] = []
        for name in dependent.machine.policy.requires
        where !leases[dependent.id, default: []].contains(where: { $0.required.name == name }) {
            guard let required = find(name) else { return (requests, name) }
            let ticket = nextTicket()
            leases[dependent.id, default: []].append(Lease(required: required, ticket: ticket))
            requests.append(.want(required, ticket))
        }
        return (requests + renew(of: dependent.id) { _ in true }, nil)
    }

    /// Returns all leases of a dependent.
    mutating func release(_ dependent: SupervisedBackend) -> [Request] {
        (leases.removeValue(forKey: dependent.id) ?? []).compactMap { lease in
            switch lease.state {
            case .asked: .abandon(lease.required, lease.ticket)
            case .held(let generation): giveBack(generation, of: lease.required)
            case .lost: nil
            }
        }
    }

    private func giveBack(_ generation: Generation, of required: SupervisedBackend) -> Request? {
        required.gate.leave(generation) ? .unused(required, generation) : nil
    }

    private mutating func nextTicket() -> Ticket {
        lastTicket += 1
        return Ticket(ofBackend: lastTicket)
    }

    /// Requests the lost leases of a dependent again.
    private mutating func renew(of dependent: BackendID, _ isWanted: (Lease) -> Bool) -> [Request] {
        var requests: [Request] = []
        for position in leases[dependent, default: []].indices {
            guard let lease = leases[dependent]?[position], lease.state == .lost, isWanted(lease) else { continue }
            let ticket = nextTicket()
            leases[dependent]?[position] = Lease(required: lease.required, ticket: ticket)
            requests.append(.want(lease.required, ticket))
        }
        return requests
    }

    // MARK: Replies

    /// A request was granted. Returns whether the lease is held, and by whom. nil: the dependent has been stopped
    /// meanwhile, and the lease is returned.
    mutating func granted(
        _ ticket: Ticket, _ generation: Generation, by required: SupervisedBackend
    ) -> (dependent: BackendID?, request: Request?) {
        guard let (dependent, position) = find(ticket) else { return (nil, giveBack(generation, of: required)) }
        leases[dependent]?[position].state = .held(generation)
        return (dependent, nil)
    }

    /// Marks the lease as lost. A running backend continues without it. Returns the dependent and the name.
    mutating func refused(_ ticket: Ticket) -> (dependent: BackendID, required: String)? {
        guard let (dependent, position) = find(ticket), let lease = leases[dependent]?[position] else { return nil }
        leases[dependent]?[position].state = .lost
        return (dependent, lease.required.name)
    }

    private func find(_ ticket: Ticket) -> (BackendID, Int)? {
        for (dependent, leases) in leases {
            if let position = leases.firstIndex(where: { $0.ticket == ticket }) { return (dependent, position) }
        }
        return nil
    }

    // MARK: Changes of a required backend

    /// Drops the leases on a backend whose gate was closed. Its dependents, in the order of their starts, keep running
    /// and request it again.
    mutating func lose(_ required: SupervisedBackend, of dependents: [SupervisedBackend]) -> [Request] {
        var requests: [Request] = []
        for dependent in dependents {
            for position in leases[dependent.id, default: []].indices {
                guard let lease = leases[dependent.id]?[position], lease.required === required,
                    case .held(let generation) = lease.state
                else { continue }
                // Otherwise a gate that is only closed to new leases would wait for it.
                _ = required.gate.leave(generation)
                leases[dependent.id]?[position].state = .lost
                guard required.machine.policy.restarts else { continue }
                let ticket = nextTicket()
                leases[dependent.id]?[position] = Lease(required: required, ticket: ticket)
                requests.append(.want(required, ticket))
            }
        }
        return requests
    }

    /// Requests the lost leases again after a required backend has changed its state.
    mutating func renew(_ required: SupervisedBackend, of dependents: [SupervisedBackend]) -> [Request] {
        guard required.machine.policy.restarts else { return [] }
        return dependents.flatMap { dependent in renew(of: dependent.id) { $0.required === required } }
    }
}
