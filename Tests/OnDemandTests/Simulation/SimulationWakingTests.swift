import Testing

@testable import OnDemand

/// What wakes a backend, with a whole daemon; the numbers are those of the list of traps.
@Suite("Simulation: waking")
struct SimulationWakingTests {
    private func retryAfter(_ simulation: Simulation, of client: Int) -> Int? {
        simulation.clients[client].exchanges[0].retryAfter.flatMap { Int($0) }
    }

    @Test(
        "D7 a health check without wake permission is rejected during sleep, and served while a client uses the backend"
    )
    func healthCheckThroughTheFront() throws {
        var service = Scenario.Service()
        service.wakeOn = WakeRule(conditions: [.upgrade])
        let clients = [
            ClientScript.get(), .chat(at: .seconds(1)), .get(at: .milliseconds(1001)), .get(at: .milliseconds(1500)),
            .get(at: .seconds(20)),
        ]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(retryAfter(simulation, of: 0) == 30)
        #expect(simulation.outcomes(of: 1) == [.chatted])
        #expect(simulation.outcomes(of: 2) == [.answered(200)], "it joined the start of the other")
        #expect(simulation.outcomes(of: 3) == [.answered(200)])
        #expect(simulation.outcomes(of: 4) == [.answered(503)])
        #expect(simulation.kernel.children.born == 2, "one life for the chat, one for the question at the end")
    }

    @Test(
        "D7 a health check through an unmanaged service at the same target neither wakes the backend nor keeps it awake"
    )
    func healthCheckBesideIt() throws {
        var check = Scenario.Service()
        (check.launches, check.sharesTarget) = (false, 0)
        var clients = [ClientScript.get()]
        for second in 1...12 {
            var visit = ClientScript.get(at: .seconds(second))
            visit.service = 1
            clients.append(visit)
        }
        var scenario = Scenario(services: [Scenario.Service(), check], clients: clients)
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect((1...4).allSatisfy { simulation.outcomes(of: $0) == [.answered(200)] })
        #expect((6...12).allSatisfy { simulation.outcomes(of: $0) == [.answered(502)] })
        #expect(simulation.kernel.children.born == 1)
    }

    @Test("P7 many clients that reconnect after an idle stop wake no backend before the minimum sleep is over")
    func herd() throws {
        var service = Scenario.Service()
        service.policy.minimumSleep = .seconds(10)
        // Asleep from about 5 s to 15 s.
        var clients = [ClientScript.get()]
        clients += (0..<40).map { ClientScript.chat(at: .milliseconds(5100) + .milliseconds(200) * $0) }
        clients.append(.get(at: .seconds(16)))
        var scenario = Scenario(services: [service], clients: clients)
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect((1...40).allSatisfy { simulation.outcomes(of: $0) == [.answered(503)] })
        #expect((1...40).allSatisfy { (1...10).contains(retryAfter(simulation, of: $0) ?? 0) })
        #expect(simulation.outcomes(of: 41) == [.answered(200)])
        #expect(simulation.kernel.children.born == 2)
    }

    @Test("S12 a request with wake permission wakes the backend, however many were rejected before")
    func refusalsDoNotCount() throws {
        var service = Scenario.Service()
        service.wakeOn = WakeRule(conditions: [.upgrade])
        let clients = (0..<10).map { ClientScript.get(at: .milliseconds($0)) } + [.chat(at: .milliseconds(12))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 10) == [.chatted])
    }
}
