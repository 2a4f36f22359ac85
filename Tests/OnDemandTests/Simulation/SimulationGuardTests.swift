import Testing

@testable import OnDemand

/// The guard process: one for all backends, alive while a backend is alive, and informed of each.
@Suite("Simulation: the guard")
struct SimulationGuardTests {
    @Test(
        "a guard that exits is replaced and informed of all process trees, in every state of a backend",
        arguments: 0..<40)
    func deaths(moment: Int) throws {
        var service = Scenario.Service()
        service.policy.idleTimeout = .milliseconds(300)
        service.children = [ChildScript(listensAfter: .milliseconds(60), ignoresTerminate: true), .healthy]
        var scenario = Scenario(services: [service, service], clients: [.get(), .get(at: .milliseconds(500))])
        scenario.guardDeaths = [.milliseconds(15 * moment), .milliseconds(1), .milliseconds(700)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.processGuard == nil, "gone with the last backend")
        let failures = simulation.kernel.logged(.guardFailed)
        #expect(failures.allSatisfy { $0.contains("signal 9") }, "\(failures)")
        if moment < 20 { #expect(!failures.isEmpty) }
    }

    @Test("an always-on backend is known to a guard throughout its generation")
    func alwaysOn() throws {
        var service = Scenario.Service()
        service.policy.alwaysOn = true
        var scenario = Scenario(services: [service], clients: [.get()])
        scenario.guardDeaths = [.seconds(1)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.guardFailed).count == 1)
    }

    @Test("A4 a listener without proof that it is the backend's does not count, and the log reports it at the start")
    func hiddenSockets() throws {
        var service = Scenario.Service()
        service.policy.readiness = .tcp
        var scenario = Scenario(services: [service], clients: [.get()])
        scenario.hidesSockets = true
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.kernel.logged(.processTreeLimited).count == 1)
        #expect(simulation.daemon?.supervisor.inOrder.first?.history.lastStartup == nil, "it never was ready")
        let failed = simulation.kernel.logged(.startFailed)
        #expect(failed.count == 1 && failed[0].contains("could not be shown to be the backend's"), "\(failed)")
    }
}
