@testable import OnDemand

/// A gate as slow and as obvious as can be, to hold the real one against.
struct GateModel {
    private(set) var generation: Generation?
    private(set) var inside = 0

    var isOpen: Bool { generation != nil }

    mutating func enter() -> Generation? {
        if isOpen { inside += 1 }
        return generation
    }

    mutating func leave(_ leaving: Generation) -> Bool {
        guard generation == leaving else { return false }
        inside -= 1
        return inside == 0
    }

    mutating func open(_ opened: Generation, leases: Int) {
        generation = opened
        inside = leases
    }

    mutating func closeIfEmpty() -> Bool {
        guard isOpen, inside == 0 else { return false }
        generation = nil
        return true
    }

    mutating func closeByForce() {
        generation = nil
        inside = 0
    }
}
