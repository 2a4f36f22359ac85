import Testing

@testable import OnDemand

/// Operators at the control socket while clients come and go.
@Suite("Simulation: commands")
struct SimulationCommandTests {
    private func scenario(_ commands: [(Duration, BackendCommand)], clients: [ClientScript] = []) -> Scenario {
        Scenario(clients: clients, commands: commands.map { (at: $0.0, service: 0, order: $0.1) })
    }

    @Test("trap P9: a backend that was started by a command goes to sleep after its idle time")
    func startedByHand() throws {
        let simulation = try Simulation.run(scenario([(.zero, .start)]))
        #expect(simulation.complaints == [])
        #expect(simulation.operators[0].status == 200)
        #expect(simulation.operators[0].text.contains("s0 is awake (pid "))
        #expect(simulation.kernel.logged(.idle).count == 2, "once after the order, once after the last question")
    }

    @Test("a restart loses no request, at whatever time it comes")
    func restarts() throws {
        for offset in 0..<80 {
            let moment = Duration.milliseconds(5) * offset
            var scenario = scenario(
                [(moment, .restart)], clients: [.get(), .get(at: .milliseconds(150)), .get(at: moment)])
            scenario.services[0].children = [ChildScript(lingers: .milliseconds(80)), .healthy]
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "at \(moment)")
            #expect(simulation.operators[0].status == 200, "at \(moment)")
            for client in 0..<3 { #expect(simulation.outcomes(of: client) == [.answered(200)], "at \(moment)") }
        }
    }

    @Test("a request to a disabled service gets 503 at once, and a response after the service is enabled")
    func disabled() throws {
        let commands: [(Duration, BackendCommand)] = [(.seconds(1), .disable), (.seconds(3), .enable)]
        let clients: [ClientScript] = [.get(), .get(at: .seconds(2)), .get(at: .seconds(4))]
        let simulation = try Simulation.run(scenario(commands, clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(503)])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }

    @Test("a pinned backend stays awake until it is unpinned")
    func pinned() throws {
        let commands: [(Duration, BackendCommand)] = [(.zero, .pin), (.seconds(100), .unpin)]
        var scenario = scenario(commands, clients: [.get(at: .seconds(90))])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
    }

    @Test("a daemon in shutdown responds to every pending command")
    func leaves() throws {
        var scenario = scenario([(.zero, .start)])
        scenario.services[0].children = [ChildScript(listensAfter: nil)]
        scenario.terminates = .milliseconds(500)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.operators[0].status == 503)
    }
}
