import Testing

@testable import OnDemand

@Suite("Simulation: connections that outlive their request")
struct SimulationReuseTests {
    private func run(
        _ keepAlive: ChildScript.KeepAlive?, thinks: Duration = .milliseconds(5), requests: [ClientScript.Request],
        arrange: (inout Scenario) -> Void = { _ in }
    ) throws -> Simulation {
        var scenario = Scenario(clients: [ClientScript(requests: requests, thinks: thinks)])
        scenario.services[0].children = [.healthy]
        scenario.services[0].children[0].keepAlive = keepAlive
        scenario.asksAgain = false
        arrange(&scenario)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        return simulation
    }

    private let four = Array(repeating: ClientScript.Request(.length(300)), count: 4)

    @Test("a client's requests reach the process on one connection")
    func one() throws {
        let simulation = try run(.init(), requests: four)
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.kernel.counters.connections == 1)
    }

    @Test("a client whose pauses exceed the idle timeout of a connection gets a new one each time")
    func slowClient() throws {
        #expect(try run(.init(), thinks: .seconds(2), requests: four).kernel.counters.connections == 4)
    }

    @Test("a process that closes behind its responses, or between requests, gets a new connection")
    func closingProcess() throws {
        let closing: [ChildScript.KeepAlive?] = [
            nil, .init(replies: 2), .init(replies: 2, isAnnounced: false), .init(silence: .milliseconds(5)),
            .init(silence: .milliseconds(4)), .init(addsSurplus: true),
        ]
        for keepAlive in closing {
            let simulation = try run(keepAlive, requests: four)
            #expect(
                simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4),
                "\(String(describing: keepAlive))")
            #expect(simulation.kernel.counters.connections > 1, "\(String(describing: keepAlive))")
        }
    }

    @Test("surplus bytes behind a response are found before the next request, and reach no client")
    func lateSurplus() throws {
        for seed: UInt64 in 1...20 {
            let simulation = try run(.init(addsSurplus: true), requests: four) { scenario in
                scenario.seed = seed
                scenario.faults.partialReads = 80
                scenario.clients[0].isPipelined = true
            }
            #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4), "seed \(seed)")
        }
    }

    @Test("a non-idempotent request has its own connection")
    func posts() throws {
        var requests = four
        for index in [1, 2] { requests[index].post = .init(count: 500) }
        #expect(try run(.init(), requests: requests).kernel.counters.connections == 3)
    }

    @Test("an idle connection keeps no backend awake: it sleeps on time, and the next request wakes it")
    func sleeps() throws {
        let simulation = try run(.init(), thinks: .milliseconds(900), requests: four) { scenario in
            scenario.services[0].policy.idleTimeout = .milliseconds(300)
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.kernel.children.starts[0] == 4)
    }

    @Test("a crash with an idle connection is detected, and the next request starts another process")
    func crash() throws {
        let simulation = try run(.init(), thinks: .milliseconds(900), requests: four) { scenario in
            var mortal = scenario.services[0].children[0]
            mortal.exitsAfter = .milliseconds(500)
            scenario.services[0].children = [mortal, .healthy]
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.kernel.children.starts[0] == 2)
    }

    @Test("an idle connection is closed for a busy one when descriptors run out, and its client stays")
    func room() throws {
        let simulation = try run(.init(), thinks: .milliseconds(400), requests: four) { scenario in
            scenario.clients.append(.get(at: .milliseconds(200)))
            // Signals, a listener, two pipes, the guard's channel, a client and its idle upstream connection; then
            // another client connects.
            scenario.descriptorLimit = 8
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }
}
