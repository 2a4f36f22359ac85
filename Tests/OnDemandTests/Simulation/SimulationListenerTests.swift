import Testing

@testable import OnDemand

/// Servers that stop listening temporarily while their process is alive.
@Suite("Simulation: a listener that closes and reopens")
struct SimulationListenerTests {
    private func service(_ flap: ChildScript.Flap) -> Scenario.Service {
        var service = Scenario.Service()
        service.children = [ChildScript(flap: flap)]
        return service
    }

    @Test(
        "the first client of a server that tests its port during its startup gets its response",
        arguments: [10, 40, 100, 300])
    func portTest(milliseconds: Int) throws {
        let flap = ChildScript.Flap(listens: .milliseconds(milliseconds), gap: .milliseconds(400))
        for seed: UInt64 in 1...10 {
            let clients = [ClientScript.get(), .chat(at: .milliseconds(milliseconds)), .get(at: .milliseconds(200))]
            let simulation = try Simulation.run(Scenario(seed: seed, services: [service(flap)], clients: clients))
            #expect(simulation.complaints == [], "seed \(seed)")
            #expect(simulation.outcomes(of: 0) == [.answered(200)], "seed \(seed)")
            #expect(simulation.outcomes(of: 1) == [.chatted], "seed \(seed)")
            #expect(simulation.outcomes(of: 2) == [.answered(200)], "seed \(seed)")
            #expect(try #require(simulation.wait(of: 0)) < .milliseconds(milliseconds + 520))
        }
    }

    @Test("a request during a re-exec is queued until the process listens again, without a new start")
    func reexec() throws {
        let flap = ChildScript.Flap(listens: .seconds(3), gap: .milliseconds(700), serves: true)
        let clients = [ClientScript.get(), .get(at: .milliseconds(3200)), .chat(at: .milliseconds(3300))]
        var scenario = Scenario(services: [service(flap)], clients: clients)
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.outcomes(of: 2) == [.chatted])
        #expect(simulation.kernel.children.born == 1)
        #expect(simulation.kernel.logged(.listenerLost).count == 1)
        #expect(simulation.kernel.logged(.crashed).isEmpty)
    }

    @Test("a process that never listens again is stopped after another startup timeout, and its clients get an error")
    func neverAgain() throws {
        let flap = ChildScript.Flap(listens: .seconds(3), gap: .seconds(60), serves: true)
        var service = service(flap)
        service.children.append(.healthy)
        let clients = [ClientScript.get(), .get(at: .milliseconds(3200)), .get(at: .seconds(9))]
        var scenario = Scenario(services: [service], clients: clients)
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.outcomes(of: 1) == [.answered(503)])
        let wait = try #require(simulation.wait(of: 1))
        #expect(wait > .milliseconds(1990) && wait < .milliseconds(2100))
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }
}
