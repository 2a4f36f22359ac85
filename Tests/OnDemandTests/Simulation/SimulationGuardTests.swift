import Testing

@testable import OnDemand

/// The guard as the daemon keeps it: one for all, there while a backend lives, and told of each.
@Suite("Simulation: the guard")
struct SimulationGuardTests {
    @Test("a guard that ends is replaced and told everything, in every state of a backend's life", arguments: 0..<40)
    func deaths(moment: Int) throws {
        var service = Plan.Service()
        service.policy.idleTimeout = .milliseconds(300)
        service.children = [ChildScript(listensAfter: .milliseconds(60), ignoresTerminate: true), .healthy]
        var plan = Plan(services: [service, service], clients: [.get(), .get(at: .milliseconds(500))])
        plan.guardDeaths = [.milliseconds(15 * moment), .milliseconds(1), .milliseconds(700)]
        let simulation = try Simulation.run(plan)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.familyGuard == nil, "gone with the last backend")
        let failures = simulation.kernel.logged(.guardFailed)
        #expect(failures.allSatisfy { $0.contains("signal 9") }, "\(failures)")
        if moment < 20 { #expect(!failures.isEmpty) }
    }

    @Test("an always-on backend has a guard that knows it for as long as it lives")
    func alwaysOn() throws {
        var service = Plan.Service()
        service.policy.alwaysOn = true
        var plan = Plan(services: [service], clients: [.get()])
        plan.guardDeaths = [.seconds(1)]
        let simulation = try Simulation.run(plan)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.guardFailed).count == 1)
    }

    @Test("A4 a listener that nothing shows to be the backend's does not count, and the log says so at the start")
    func hiddenSockets() throws {
        var service = Plan.Service()
        service.policy.readiness = .tcp
        var plan = Plan(services: [service], clients: [.get()])
        plan.hidesSockets = true
        plan.asksAgain = false
        let simulation = try Simulation.run(plan)
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.kernel.logged(.processTreeLimited).count == 1)
        #expect(simulation.household?.supervisor.inOrder.first?.history.lastBoot == nil, "it never was ready")
        let failed = simulation.kernel.logged(.startFailed)
        #expect(failed.count == 1 && failed[0].contains("could not be shown to be the backend's"), "\(failed)")
    }
}
