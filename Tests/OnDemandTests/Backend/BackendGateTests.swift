import Foundation
import Synchronization
import Testing

@testable import OnDemand

struct BackendGateTests {
    private enum Move: CaseIterable {
        case enter, leaveFirst, leaveLast, closeIfEmpty, close, closeByForce, open
    }

    @Test("every sequence of operations has the results of the model, operation by operation")
    func model() {
        let runs = Exhaustive.run { choices in
            let gate = BackendGate()
            var model = GateModel()
            var held: [Generation] = []
            var opened: UInt32 = 0
            for _ in 0..<6 {
                switch choices.choose(from: Move.allCases) {
                case .enter:
                    let generation = gate.enter()
                    #expect(generation == model.enter())
                    if let generation { held.append(generation) }
                case .leaveFirst where !held.isEmpty:
                    let generation = held.removeFirst()
                    #expect(gate.leave(generation) == model.leave(generation))
                case .leaveLast where !held.isEmpty:
                    let generation = held.removeLast()
                    #expect(gate.leave(generation) == model.leave(generation))
                case .closeIfEmpty:
                    #expect(gate.closeIfEmpty() == model.closeIfEmpty())
                case .close:
                    gate.close()
                    model.close()
                case .closeByForce:
                    gate.closeByForce()
                    model.closeByForce()
                case .open where !model.isOpen:
                    opened += 1
                    let generation = Generation(number: opened)
                    let leases = choices.choose(2)
                    gate.open(generation, leases: leases)
                    model.open(generation, leases: leases)
                    held += Array(repeating: generation, count: leases)
                case .leaveFirst, .leaveLast, .open:
                    break
                }
                #expect(gate.isOpen == model.isOpen)
                #expect(gate.leases == model.inside)
            }
        }
        #expect(runs > 40_000)
    }

    @Test("a closed gate admits no client, and a second close reports that it was closed before")
    func closed() {
        let gate = BackendGate()
        #expect(gate.enter() == nil)
        #expect(!gate.closeIfEmpty())
        gate.open(Generation(number: 1), leases: 0)
        #expect(gate.closeIfEmpty())
        #expect(!gate.closeIfEmpty())
        #expect(gate.enter() == nil)
    }

    @Test("only the last leave reports the last lease")
    func lastOneOut() {
        let gate = BackendGate()
        let generation = Generation(number: 7)
        gate.open(generation, leases: 2)
        #expect(gate.enter() == generation)
        #expect(!gate.leave(generation))
        #expect(!gate.leave(generation))
        #expect(!gate.closeIfEmpty())
        #expect(gate.leave(generation))
        #expect(gate.closeIfEmpty())
    }

    @Test("a gate that is closed by force still counts its leases, and reports the return of the last one")
    func closedToNewcomers() {
        let gate = BackendGate()
        let generation = Generation(number: 3)
        gate.open(generation, leases: 2)
        gate.close()
        #expect(gate.enter() == nil && !gate.isOpen && gate.leases == 2)
        #expect(!gate.leave(generation))
        #expect(gate.leave(generation))
        #expect(!gate.leave(generation))
    }

    @Test("a lease of an old generation does not affect the next one")
    func staleLease() {
        let gate = BackendGate()
        let (first, second) = (Generation(number: 1), Generation(number: 2))
        gate.open(first, leases: 3)
        gate.closeByForce()
        #expect(!gate.leave(first))
        gate.open(second, leases: 1)
        #expect(!gate.leave(first))
        #expect(!gate.leave(first))
        #expect(gate.leases == 1)
        #expect(gate.leave(second))
    }

    @Test("a lease that is returned twice traps")
    func returnedTwice() async {
        await #expect(processExitsWith: .failure) {
            let gate = BackendGate()
            gate.open(Generation(number: 1), leases: 1)
            _ = gate.leave(Generation(number: 1))
            _ = gate.leave(Generation(number: 1))
        }
    }

    @Test("on real threads a gate never closes while a lease is out, and every lease is counted")
    func threads() {
        let house = DaemonHarness()
        let visitors = 3
        let finished = DispatchGroup()
        for _ in 0..<visitors {
            finished.enter()
            Thread.detachNewThread {
                for turn in 0..<100_000 {
                    house.visit()
                    if turn % 16 == 0 { house.tryToClose() }
                }
                house.visitorsGone.wrappingAdd(1, ordering: .acquiringAndReleasing)
                finished.leave()
            }
        }
        while house.visitorsGone.load(ordering: .acquiring) < visitors { house.tryToClose() }
        finished.wait()
        #expect(house.caughtInside == 0)
        #expect(house.closings > 0)
        house.tryToClose()
        #expect(house.gate.isOpen)
        #expect(house.gate.leases == 0)
    }
}

/// A gate, its clients, and the threads that close and open it.
private final class DaemonHarness: Sendable {
    let gate = BackendGate()
    let inside = Atomic(0)
    let visitorsGone = Atomic(0)
    private let generation = Atomic<UInt32>(1)
    private let closed = Atomic(0)
    private let caught = Atomic(0)

    init() { gate.open(Generation(number: 1), leases: 0) }

    var closings: Int { closed.load(ordering: .relaxed) }
    var caughtInside: Int { caught.load(ordering: .relaxed) }

    func visit() {
        guard let generation = gate.enter() else { return }
        inside.wrappingAdd(1, ordering: .relaxed)
        inside.wrappingSubtract(1, ordering: .relaxed)
        _ = gate.leave(generation)
    }

    func tryToClose() {
        guard gate.closeIfEmpty() else { return }
        closed.wrappingAdd(1, ordering: .relaxed)
        for _ in 0..<8 where inside.load(ordering: .relaxed) != 0 || gate.leases != 0 {
            caught.wrappingAdd(1, ordering: .relaxed)
        }
        let next = Generation(number: generation.wrappingAdd(1, ordering: .relaxed).newValue)
        gate.open(next, leases: 1)
        _ = gate.leave(next)
    }

    @Test("a lease has the port of the open generation")
    func port() {
        let gate = BackendGate()
        #expect(gate.port == 0)
        gate.open(Generation(number: 1), leases: 0, port: 40_001)
        #expect(gate.enter() == Generation(number: 1) && gate.port == 40_001)
        gate.closeByForce()
        gate.open(Generation(number: 2), leases: 0, port: 40_002)
        #expect(gate.enter() == Generation(number: 2) && gate.port == 40_002)
    }
}
