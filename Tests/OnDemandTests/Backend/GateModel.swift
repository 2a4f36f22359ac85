@testable import OnDemand

/// A slow and obvious model of a gate, to compare the real one with.
struct GateModel {
    private var latest: Generation?
    private(set) var isOpen = false
    private(set) var inside = 0

    /// The generation that admits clients; nil when closed.
    var generation: Generation? { isOpen ? latest : nil }

    mutating func enter() -> Generation? {
        if isOpen { inside += 1 }
        return generation
    }

    mutating func leave(_ leaving: Generation) -> Bool {
        guard latest == leaving, isOpen || inside > 0 else { return false }
        inside -= 1
        return inside == 0
    }

    mutating func open(_ opened: Generation, leases: Int) {
        inside = leases + (latest == opened ? inside : 0)
        (latest, isOpen) = (opened, true)
    }

    mutating func closeIfEmpty() -> Bool {
        guard isOpen, inside == 0 else { return false }
        isOpen = false
        return true
    }

    mutating func close() { isOpen = false }

    mutating func closeByForce() {
        isOpen = false
        inside = 0
    }
}
