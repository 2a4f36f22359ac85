@testable import OnDemand

/// A daemon whose cables have one backend in common, an Action Cable server, on a simulated kernel. The test controls
/// clients and publishers, and time is virtual.
final class CableBackendBench {
    let cables: CableBench
    /// The kernel does not own it.
    private let world: CableWorld

    /// The cables are `c0`, `c1` and so on.
    init(
        cables count: Int, hibernates: Bool, hasRedis: Bool = false, _ script: ActionCableScript = ActionCableScript(),
        _ adjust: (inout Configuration) -> Void = { _ in }
    ) throws {
        var scenario = Scenario()
        scenario.services[0].policy.isBehindHibernatingCable = hibernates
        scenario.services[0].policy.idleTimeout = .milliseconds(500)
        scenario.services[0].policy.closeJitter = .zero
        scenario.services[0].children[0].cable = script
        var cable = CableScenario.Cable()
        cable.backend = .init(hibernates: hibernates)
        cable.hasRedis = hasRedis
        var definition = CableScenario()
        definition.cables = Array(repeating: cable, count: count)
        scenario.cables = definition
        let configuration = try scenario.configuration(Scenario.Variant(scenario))
        cables = try CableBench {
            ($0.services, $0.cables) = (configuration.services, configuration.cables)
            adjust(&$0)
        }
        world = CableWorld(definition, cables.kernel)
        kernel.cableWorld = world
        kernel.children.add(scenario.services[0].children, scenario.services[0].policy, at: Scenario.address(of: 0))
        kernel.children.requirements.append([])
        kernel.children.tellsReadiness.append(true)
    }

    var kernel: SimulatedKernel { cables.kernel }
    var performed: Set<Int> { world.performed }
    var backend: SupervisedBackend { cables.daemon.supervisor.inOrder[0] }

    func relays(of cable: Int) -> CableRelays<SimulatedKernel>? {
        cables.server.cables.id(named: "c\(cable)").flatMap { cables.server.cables[$0]?.relays }
    }

    func run(for duration: Duration, until isEnough: () -> Bool = { false }) {
        cables.run(for: duration, until: isEnough)
    }

    /// Two streams of the backend whose clients can be restored.
    static let streams = [CableScenario.backendStreams.lowerBound + 2, CableScenario.backendStreams.lowerBound + 3]

    /// A client that the backend has accepted, with subscriptions to the first streams.
    func subscribed(_ number: Int, to cable: Int, streams count: Int = 1) -> CableBench.Client {
        let client = cables.open("c\(cable)?client=\(number)")
        run(for: .seconds(3)) { client.frames.contains { $0.contains("welcome") } }
        for stream in Self.streams.prefix(count) {
            client.send("{\"command\":\"subscribe\",\"identifier\":\(CableScenario.identifier(of: stream))}")
        }
        run(for: .seconds(5)) { client.frames.count { $0.contains("confirm_subscription") } == count }
        return client
    }

    /// Sends an action, which the backend performs without a message.
    func perform(_ action: Int, by client: CableBench.Client) {
        let data = "\"{\\\"action\\\":\\\"speak\\\",\\\"k\\\":\(action)}\""
        let identifier = CableScenario.identifier(of: Self.streams[0])
        client.send("{\"command\":\"message\",\"identifier\":\(identifier),\"data\":\(data)}")
    }
}
