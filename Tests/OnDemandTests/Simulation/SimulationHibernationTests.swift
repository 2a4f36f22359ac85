import Testing

@testable import OnDemand

/// A whole daemon, a client that stays connected, and an Action Cable server that sleeps.
@Suite("Simulation: hibernation")
struct SimulationHibernationTests {
    typealias Connect = Configuration.Cable.Connect

    @Test(
        "a backend sleeps under a connected client, and an action wakes it",
        arguments: [Connect.backend, .local], [false, true])
    func wakes(connect: Connect, hasRedis: Bool) throws {
        let simulation = try Simulation.run(.hibernating(connect: connect, hasRedis: hasRedis))
        #expect(simulation.complaints == [])
        let world = try #require(simulation.cableWorld)
        // The subscription, and each action after a sleep.
        #expect(simulation.kernel.children.starts[0] == 3)
        #expect(world.performed == [CableWorld.action(0, of: 1), CableWorld.action(1, of: 1)])
        let counters = try #require(simulation.daemon?.cableServer.cables.all.first?.relays.counters)
        #expect(counters.replayed == 2)
        #expect(counters.disconnections.allSatisfy { $0 == 0 })
    }

    @Test("a crash tells a client whose action it swallowed, and only then", arguments: [1, 2])
    func crashes(action: Int) throws {
        var scenario = Scenario.hibernating(connect: .backend)
        scenario.services[0].policy.idleTimeout = .seconds(60)
        scenario.services[0].children[0].cable.crashesAtAction = action
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        let world = try #require(simulation.cableWorld)
        #expect(world.performed == Set((0..<(action - 1)).map { CableWorld.action($0, of: 1) }))
        let counters = try #require(simulation.daemon?.cableServer.cables.all.first?.relays.counters)
        let place = try #require(RelayMachine.Disconnection.allCases.firstIndex(of: .commandInFlight))
        #expect(counters.disconnections[place] == 1)
    }
}

extension Scenario {
    /// One client with one subscription of a channel with stateless actions, and two actions with pauses.
    static func hibernating(connect: Configuration.Cable.Connect, hasRedis: Bool = false) -> Scenario {
        var scenario = Scenario(asksAgain: false)
        scenario.services[0].policy.isBehindHibernatingCable = true
        scenario.services[0].policy.idleTimeout = .milliseconds(500)
        scenario.services[0].policy.closeJitter = .zero
        var cables = CableScenario()
        cables.cables[0].hasRedis = hasRedis
        cables.cables[0].backend = .init(service: 0, connect: connect)
        let stream = CableScenario.backendStreams.lowerBound + 2
        var client = CableScenario.Client()
        client.actions = [(.zero, .subscribe(stream)), (.seconds(4), .perform(0)), (.seconds(8), .perform(0))]
        cables.clients = [client]
        cables.publishers = [.init(arrives: .seconds(6), posts: [[(stream, 10)]])]
        scenario.cables = cables
        return scenario
    }
}

/// What the swarm's clients of backends have been through: a swarm that never sees a wake proves nothing about it.
struct HibernationTally {
    private var wakes = RelayMachine.WakeTrigger.allCases.map { _ in UInt64(0) }
    private var disconnections = RelayMachine.Disconnection.allCases.map { _ in UInt64(0) }
    private var replayed: UInt64 = 0
    private var actions = 0

    mutating func add(_ simulation: Simulation) {
        actions += simulation.cableWorld?.performed.count ?? 0
        for entry in simulation.daemon?.cableServer.cables.all ?? [] {
            for (place, count) in entry.relays.counters.wakes.enumerated() { wakes[place] += count }
            for (place, count) in entry.relays.counters.disconnections.enumerated() { disconnections[place] += count }
            replayed += entry.relays.counters.replayed
        }
    }

    var isComplete: Bool {
        wakes.allSatisfy { $0 > 0 } && disconnections.contains { $0 > 0 } && replayed > 10 && actions > 10
    }
}
