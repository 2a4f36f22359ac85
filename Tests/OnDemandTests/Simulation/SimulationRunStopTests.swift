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

    @Test("a run of another user gets SIGHUP from its closed terminal when KILL is refused")
    func hangUp() throws {
        var script = ChildScript.printing([(.zero, "a"), (.seconds(4), "b")], exitsAfter: nil)
        script.refusesSignals = true
        let bench = try CommandBench([script])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.ask("DELETE", "/apply/\(run.id)")
        bench.run(for: .milliseconds(4900))
        #expect(bench.state(of: run.id)["state"] == "stopping")
        bench.run(for: .milliseconds(300))
        let state = bench.state(of: run.id)
        #expect(state["ending"] == "stopped" && state["signal"] == "1")
        #expect(CommandBench.messages(of: client) == ["a", "b", "\r\nStopped.\r\n", Self.end])
        let refused = bench.kernel.logged(.signalRefused)
        #expect(refused.count == 1 && refused[0].contains("TERM") && refused[0].contains(run.id), "\(refused)")
        #expect(bench.kernel.logged(.stopTimedOut) == [])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test(
        "a run that neither KILL nor SIGHUP ends is logged once, is named in the status, and ends by itself",
        arguments: [
            ChildScript(listensAfter: nil, exitsAfter: .seconds(60), ignoresTerminate: true, refusesSignals: true),
            ChildScript(listensAfter: nil, exitsAfter: .seconds(60), ignoresTerminate: true, ignoresKill: true),
        ])
    func overdue(script: ChildScript) throws {
        let bench = try CommandBench([script])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.ask("DELETE", "/apply/\(run.id)")
        bench.run(for: .milliseconds(9800))
        func remaining() -> [String]? { bench.daemon.snapshot().commands.first?.running.first?.remaining }
        #expect(remaining() == [] && bench.kernel.logged(.stopTimedOut) == [])
        bench.run(for: .milliseconds(400))
        #expect(try #require(remaining()).count == 1 && remaining()?[0].hasSuffix("(child)") == true)
        let busy = bench.ask("POST", body: "{\"database\":\"x\"}")
        #expect(busy.status == 409 && busy["id"] == run.id)
        bench.run(for: .seconds(45))
        let overdue = bench.kernel.logged(.stopTimedOut)
        #expect(overdue.count == 1 && overdue[0].contains(run.id) && overdue[0].contains("(child)"), "\(overdue)")
        bench.run(for: .seconds(10))
        #expect(bench.state(of: run.id)["ending"] == "stopped")
        #expect(CommandBench.messages(of: client) == ["\r\nStopped.\r\n", Self.end])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("the held output of all runs of a command is bounded: that of the oldest ones leaves without a subscriber")
    func heldOutput() throws {
        let text = String(repeating: "0123456789abcdef", count: 4 * 1024)
        let bench = try CommandBench([.printing([(.zero, text)], exitsAfter: .milliseconds(20))])
        var runs: [(id: String, stream: String)] = []
        for number in 0..<80 {
            runs.append(try #require(bench.start(database: "\(number)")))
            bench.run(for: .milliseconds(40))
            let kept = bench.runner.runs.compactMap { $0?.output.keptBytes }.reduce(0, +)
            #expect(kept <= Limits.heldCommandBytes)
        }
        #expect(bench.runner.runs.compactMap(\.self).count == Limits.heldCommandBytes / text.utf8.count)
        let (first, last) = (bench.cables.subscribed(runs[0].stream), bench.cables.subscribed(runs[79].stream))
        bench.run(for: .seconds(1))
        #expect(CommandBench.messages(of: first) == [])
        #expect(CommandBench.messages(of: last).joined() == text + Self.end)
        for run in runs.suffix(20) { #expect(bench.state(of: run.id)["output_bytes"] == "65536") }
        first.close()
        last.close()
        #expect(bench.rest() == [])
    }
}
