import Testing

@testable import OnDemand

/// The guard as the daemon keeps it: one for all, there while a backend lives, and told of each.
@Suite("Simulation: the guard")
struct SimulationGuardTests {
    @Test("a guard that ends is replaced and told everything, in every state of a backend's life", arguments: 0..<40)
    func deaths(moment: Int) throws {
        var service = Scenario.Service()
        service.policy.idleTimeout = .milliseconds(300)
        service.children = [ChildScript(listensAfter: .milliseconds(60), ignoresTerminate: true), .healthy]
        var scenario = Scenario(services: [service, service], clients: [.get(), .get(at: .milliseconds(500))])
        scenario.guardDeaths = [.milliseconds(15 * moment), .milliseconds(1), .milliseconds(700)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.familyGuard == nil, "gone with the last backend")
        let failures = simulation.kernel.logged(.guardFailed)
        #expect(failures.allSatisfy { $0.contains("signal 9") }, "\(failures)")
        if moment < 20 { #expect(!failures.isEmpty) }
    }

    @Test("an always-on backend has a guard that knows it for as long as it lives")
    func alwaysOn() throws {
        var service = Scenario.Service()
        service.policy.alwaysOn = true
        var scenario = Scenario(services: [service], clients: [.get()])
        scenario.guardDeaths = [.seconds(1)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.guardFailed).count == 1)
    }

    @Test("A4 a listener that nothing shows to be the backend's does not count, and the log says so at the start")
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
