import Testing

@testable import OnDemand

/// A policy that changes between two generations, and the parts that apply at once.
@Suite struct BackendRedefinitionTests {
    @Test("the next generation uses the new policy, and keeps the state of the last one")
    func nextLife() {
        var machine = BackendFixtures.stopping()
        machine.update(BackendPolicy(startupTimeout: .seconds(3)))
        machine = machine.after(.treeGone, .wanted(Ticket(number: 1)), .addressFree)
        #expect(machine.generation == Generation(number: 2))
        #expect(machine.apply(.spawned, at: noon) == [.arm(.startup, at: noon + .seconds(3)), .startProbing])
    }

    @Test("the policy of the next generation decides whether it restarts by itself")
    func alwaysOn() {
        var machine = BackendFixtures.stopping()
        machine.update(BackendPolicy(alwaysOn: true))
        #expect(machine.apply(.treeGone, at: noon).last == .checkAddress)
        var rests = BackendFixtures.stopping(BackendPolicy(idleTimeout: .seconds(60), alwaysOn: true))
        rests.update(BackendFixtures.policy)
        #expect(rests.apply(.treeGone, at: noon).contains(.checkAddress) == false)
    }

    @Test("a new close code of tunnels applies at once")
    func closeHandshake() {
        var machine = BackendFixtures.awake()
        machine.update(closeJitter: .seconds(4), drainTimeout: .seconds(40))
        let effects = machine.apply(.operation(.stop), at: noon)
        let generation = Generation(number: 1)
        #expect(effects.contains(.closeTunnels(generation, .goingAway, over: .seconds(4))))
        #expect(effects.contains(.arm(.stopStep, at: noon + .seconds(40))))
    }
}
