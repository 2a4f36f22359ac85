import Testing

@testable import OnDemand

@Suite("Simulation: connections that outlive their request")
struct SimulationReuseTests {
    private func run(
        _ patience: ChildScript.Patience?, thinks: Duration = .milliseconds(5), requests: [ClientScript.Request],
        arrange: (inout Scenario) -> Void = { _ in }
    ) throws -> Simulation {
        var scenario = Scenario(clients: [ClientScript(requests: requests, thinks: thinks)])
        scenario.services[0].children = [.healthy]
        scenario.services[0].children[0].patience = patience
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

    @Test("a client that thinks for longer than a connection waits gets another one each time")
    func slowClient() throws {
        #expect(try run(.init(), thinks: .seconds(2), requests: four).kernel.counters.connections == 4)
    }

    @Test("a process that closes behind its answers, or between requests, is asked on a fresh connection")
    func closingProcess() throws {
        let closing: [ChildScript.Patience?] = [
            nil, .init(replies: 2), .init(replies: 2, isAnnounced: false), .init(silence: .milliseconds(5)),
            .init(silence: .milliseconds(4)), .init(addsSurplus: true),
        ]
        for patience in closing {
            let simulation = try run(patience, requests: four)
            #expect(
                simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4),
                "\(String(describing: patience))")
            #expect(simulation.kernel.counters.connections > 1, "\(String(describing: patience))")
        }
    }

    @Test("what follows an answer in a read of its own is found before the next request is sent, and answers nobody")
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

    @Test("what changes something has a connection of its own")
    func posts() throws {
        var requests = four
        for index in [1, 2] { requests[index].post = .init(count: 500) }
        #expect(try run(.init(), requests: requests).kernel.counters.connections == 3)
    }

    @Test("a kept connection keeps nobody awake: the backend sleeps on time, and the next request wakes it")
    func sleeps() throws {
        let simulation = try run(.init(), thinks: .milliseconds(900), requests: four) { scenario in
            scenario.services[0].policy.idleTimeout = .milliseconds(300)
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.kernel.children.starts[0] == 4)
    }

    @Test("a process that crashes while a connection waits is not missed: the next request starts another")
    func crash() throws {
        let simulation = try run(.init(), thinks: .milliseconds(900), requests: four) { scenario in
            var mortal = scenario.services[0].children[0]
            mortal.exitsAfter = .milliseconds(500)
            scenario.services[0].children = [mortal, .healthy]
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.kernel.children.starts[0] == 2)
    }

    @Test("a connection without a request makes room for one that has one, and its client stays")
    func room() throws {
        let simulation = try run(.init(), thinks: .milliseconds(400), requests: four) { scenario in
            scenario.clients.append(.get(at: .milliseconds(200)))
            // Signals, a listener, two pipes, the guard's channel, a client and what its last request has left; and
            // somebody comes in.
            scenario.descriptorLimit = 8
        }
        #expect(simulation.outcomes(of: 0) == Array(repeating: .answered(200), count: 4))
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }
}
