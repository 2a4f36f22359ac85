import Testing

@testable import OnDemand

/// Each scenario is repeated with the n-th failing call, for n = 1, 2, 3, until none is left.
@Suite("Simulation: the n-th kernel call fails")
struct SimulationFailingCallTests {
    static let scenarios: [(name: String, scenario: Scenario)] = [
        ("a request", Scenario(clients: [.get(.length(5000))])),
        ("a chat", Scenario(clients: [.chat(.init(up: 6, down: 6))])),
        ("requests on one connection", Scenario(clients: [keptAlive])),
        ("several at once", Scenario(clients: [.get(), .chat(), .get(.chunked(3000), at: .milliseconds(3)), posting])),
        ("a crash", Scenario(services: [crashing], clients: [.get(), .get(at: .seconds(3))])),
        ("a failed start", Scenario(services: [failing], clients: [.get(), .get(at: .seconds(4))])),
        ("a word", Scenario(services: [told(.notify)], clients: [.get()])),
        ("an inherited socket", Scenario(services: [told(.socket)], clients: [.get(), .chat()])),
        ("a handshake", Scenario(services: [told(SimulationReadinessTests.asking[1])], clients: [.get()])),
        (
            "a request in the stop window",
            Scenario(services: [slowToStop], clients: [.get(), .get(at: .milliseconds(5600))])
        ),
        (
            "a shutdown in the middle",
            Scenario(clients: [.chat(.init(up: 40, down: 40)), .get()], terminates: .milliseconds(60))
        ),
        ("a cable whose backend sleeps", Scenario.hibernating(connect: .backend)),
        ("a cable whose backend sleeps, with Redis", Scenario.hibernating(connect: .local, hasRedis: true)),
        ("something required", Scenario(services: [requiring], processes: [.init()], clients: [.get()])),
    ]

    private static var requiring: Scenario.Service {
        var service = Scenario.Service()
        service.policy.requires = ["p0"]
        return service
    }

    private static var keptAlive: ClientScript {
        ClientScript(requests: [.init(.length(10)), .init(.untilClose(10)), .init(.nothing)], isPipelined: true)
    }

    private static var posting: ClientScript {
        var request = ClientScript.Request(.nothing)
        request.post = .init(count: 30_000, isChunked: true)
        return ClientScript(requests: [request])
    }

    private static var crashing: Scenario.Service {
        var service = Scenario.Service()
        service.children = [ChildScript(crashesAtRequest: 1), .healthy]
        return service
    }

    private static var failing: Scenario.Service {
        var service = Scenario.Service()
        service.children = [ChildScript(listensAfter: nil, exitsAfter: .milliseconds(30)), .healthy]
        return service
    }

    private static func told(_ check: ReadinessCheck) -> Scenario.Service {
        var service = Scenario.Service()
        service.policy.readiness = check
        service.picksPort = true
        return service
    }

    private static var slowToStop: Scenario.Service {
        var service = Scenario.Service()
        service.children = [ChildScript(lingers: .seconds(1)), .healthy]
        return service
    }

    @Test(
        "a failing kernel call leaks nothing, blocks no client, and leaves a working daemon",
        arguments: scenarios.indices)
    func nthCall(index: Int) throws {
        var scenario = Self.scenarios[index].scenario
        scenario.logLevel = .error
        for failing in 1...2000 {
            scenario.failingCall = failing
            let simulation = try Simulation.run(scenario)
            if simulation.kernel.failedVerb == nil { return #expect(failing > 10) }
            guard simulation.complaints.isEmpty else {
                let verb = simulation.kernel.failedVerb ?? ""
                let complaints = simulation.complaints.joined(separator: "\n")
                Issue.record("\(Self.scenarios[index].name), call \(failing) (\(verb)) fails:\n\(complaints)")
                continue
            }
        }
        Issue.record("the scenario has more calls than this test looks at")
    }
}
