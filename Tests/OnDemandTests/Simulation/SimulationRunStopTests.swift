import Testing

@testable import OnDemand

/// Runs whose processes remain: after the exit of the leader, after KILL, and in large numbers.
@Suite("Simulation: the stop of runs")
struct SimulationRunStopTests {
    private static let end = "\u{4}"

    @Test("the processes of all runs are looked at once per iteration, however many trees wait for their end")
    func oneCensus() throws {
        var script = ChildScript.printing(exitsAfter: .seconds(2))
        script.grandchild = .init(ignoresTerminate: true, isDetached: true, staysFor: .seconds(4))
        let bench = try CommandBench([script]) { $0.commands[0].maximumRunning = 12 }
        let runs = try (0..<12).map { try #require(bench.start(database: "\($0)")) }
        bench.run(for: .seconds(1))
        let (censuses, reaped) = (bench.kernel.children.censuses, bench.kernel.children.reaped)
        bench.run(for: .seconds(4))
        for run in runs { #expect(bench.state(of: run.id)["ending"] == "exited") }
        let exits = bench.kernel.children.reaped - reaped
        #expect(exits >= 24, "\(exits) exits")
        #expect(bench.kernel.children.censuses - censuses <= exits)
        #expect(bench.rest() == [])
    }

    @Test("more exits than the share of an iteration are handled in the next ones")
    func manyExits() throws {
        var script = ChildScript.printing(exitsAfter: .seconds(2))
        script.grandchild = .init(isDetached: true)
        let bench = try CommandBench([script]) { $0.commands[0].maximumRunning = 12 }
        bench.kernel.faults = Faults(slowTurns: 100)
        let runs = try (0..<12).map { try #require(bench.start(database: "\($0)")) }
        bench.run(for: .seconds(10))
        for run in runs { #expect(bench.state(of: run.id)["ending"] == "exited") }
        bench.kernel.faults = .none
        #expect(bench.rest() == [])
    }
}
