import Testing

@testable import OnDemand

/// Processes that no signal ends: the stop has a limit for clients and operators, and the daemon continues.
@Suite("Simulation: overdue stops")
struct SimulationOverdueStopTests {
    private func scenario(_ child: ChildScript) -> Scenario {
        var service = Scenario.Service()
        service.children = [child, .healthy]
        // Stopped at 5 s, overdue at 12 s; the first request is queued, the second comes too late for the queue.
        let clients = [ClientScript.get(), .get(at: .seconds(6)), .get(at: .seconds(20)), .get(at: .seconds(100))]
        return Scenario(
            services: [service], clients: clients,
            operations: [
                (at: .seconds(7), service: 0, operation: .stop), (at: .seconds(21), service: 0, operation: .stop),
            ])
    }

    @Test(
        "a process that cannot be signalled, or that survives KILL, delays clients and operations only up to a limit",
        arguments: [
            ChildScript(exitsAfter: .seconds(60), refusesSignals: true),
            ChildScript(exitsAfter: .seconds(60), ignoresTerminate: true, ignoresKill: true),
        ])
    func bounded(child: ChildScript) throws {
        let simulation = try Simulation.run(scenario(child))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(simulation.outcomes(of: 1) == [.answered(503)])
        #expect(try #require(simulation.wait(of: 1)) <= .milliseconds(6100))
        #expect(simulation.outcomes(of: 2) == [.answered(503)])
        #expect(try #require(simulation.wait(of: 2)) < .milliseconds(50))
        // The process has exited by itself in the meantime.
        #expect(simulation.outcomes(of: 3) == [.answered(200)])
        for virtual in simulation.operators.prefix(2) {
            #expect(virtual.status == 502, "\(virtual.text)")
            #expect(virtual.text.contains("still running: 201 (child)"), "\(virtual.text)")
        }
        let overdue = simulation.kernel.logged(.stopTimedOut)
        #expect(overdue.count == 1 && overdue[0].contains("201 (child)"), "\(overdue)")
        let refused = simulation.kernel.logged(.signalRefused)
        #expect(refused.count == (child.refusesSignals ? 1 : 0))
        if child.refusesSignals { #expect(refused[0].contains("operation not permitted"), "\(refused)") }
    }
}
