import Testing

@testable import OnDemand

/// Faults of the machine on which the daemon runs; the numbers are those of the list of traps.
@Suite("Simulation: faults of the machine")
struct SimulationMachineTests {
    @Test("D3 SIGHUP ends no process and no tunnel")
    func hangUp() throws {
        var scenario = Scenario(clients: [.chat(.init(up: 9, down: 9, pause: .milliseconds(300)))])
        scenario.signals = [(.milliseconds(500), .hangUp)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
    }

    @Test("D1 SIGHUP at any time of a start causes no second process")
    func hangUpWhileStarting() throws {
        for offset in 0..<40 {
            var scenario = Scenario(clients: [.get(), .chat(at: .milliseconds(5))])
            scenario.signals = [(.milliseconds(1) * offset, .hangUp), (.milliseconds(1) * (offset + 3), .hangUp)]
            scenario.logLevel = .error
            scenario.asksAgain = false
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(offset)")
            #expect(simulation.outcomes(of: 0) == [.answered(200)] && simulation.outcomes(of: 1) == [.chatted])
            #expect(simulation.kernel.children.born == 1, "\(offset)")
        }
    }

    @Test("D2 a backend keeps its process across SIGHUP, and the next client reaches the same one")
    func hangUpWhileReady() throws {
        var scenario = Scenario(clients: [.get(), .get(at: .seconds(2)), .get(at: .seconds(4))])
        scenario.signals = [(.seconds(1), .hangUp), (.seconds(3), .hangUp)]
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
    }

    @Test("D6 a wall clock that is set a day ahead or back has no effect", arguments: [86_400, -86_400] as [Int64])
    func wallClock(seconds: Int64) throws {
        var scenario = Scenario(clients: [
            .chat(.init(up: 9, down: 9, pause: .milliseconds(300))), .get(at: .seconds(9)),
        ])
        let undisturbed = try Simulation.run(scenario)
        scenario.wallJump = (.milliseconds(500), seconds)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.trace.digest == undisturbed.kernel.trace.digest)
    }

    @Test(
        "D6 an idle timer resumes after a suspend of an hour, and dead clients no longer count"
    )
    func suspend() throws {
        // The monotonic clock stands still during a suspend. Visible are only a wall clock that is an hour later, and
        // connections that keepalive declares dead 30 s after the resume.
        var gone = ClientScript.chat(.init(up: 400, down: 400, pause: .seconds(1)))
        gone.leaves = (.seconds(34), .reset)
        var scenario = Scenario(clients: [.get(), gone])
        scenario.wallJump = (.seconds(4), 3600)
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
        let idle = simulation.kernel.logged(.idle)
        #expect(idle.count == 1 && idle[0].hasPrefix("2027-01-15T09:00:40"), "\(idle)")
    }

    @Test("D6 a day that passes at once ends no tunnel and leaks nothing")
    func clockJump() throws {
        for moment in [Duration.milliseconds(10), .milliseconds(500), .seconds(4), .milliseconds(7001)] {
            var scenario = Scenario(clients: [
                .chat(.init(up: 9, down: 9, pause: .milliseconds(300))), .get(at: .milliseconds(3999)),
            ])
            scenario.clockJump = (moment, .seconds(86_400))
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(moment)")
            if moment > .milliseconds(100) { #expect(simulation.outcomes(of: 0) == [.chatted], "\(moment)") }
        }
    }

    @Test("without descriptors clients wait, no loop spins, and service resumes by itself", arguments: 4...14)
    func noDescriptors(limit: Int) throws {
        var scenario = Scenario(clients: (0..<12).map { .get(at: .milliseconds(3) * $0) })
        scenario.descriptorLimit = limit
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        let outcomes = simulation.clients.flatMap { $0.exchanges.map(\.outcome) }
        #expect(outcomes.allSatisfy { $0 == .answered(200) || $0 == .answered(503) }, "the backend is not to blame")
        let (pauses, ends) = (simulation.kernel.logged(.listenerPaused), simulation.kernel.logged(.listenerResumed))
        #expect(pauses.count == ends.count && pauses.count <= 6, "the log tells of a pause once, and of its end")
    }

    @Test("an idle client connection is closed when descriptors run out")
    func roomIsMade() throws {
        let clients = (0..<30).map { number in
            var client = ClientScript.get(at: .milliseconds(30) * number)
            client.lingers = .seconds(60)
            return client
        }
        var scenario = Scenario(clients: clients)
        // Two descriptors of the daemon, two of its child, and a few served clients.
        scenario.descriptorLimit = 13
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        for client in 0..<30 {
            #expect(simulation.outcomes(of: client) == [.answered(200)])
            #expect(try #require(simulation.wait(of: client)) < .milliseconds(50))
        }
        #expect(simulation.kernel.logged(.listenerPaused).isEmpty)
    }

    @Test("D6 a day that passes at any time of a shutdown leaves no child unreaped")
    func clockJumpWhileLeaving() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(ignoresTerminate: true, grandchild: .init(ignoresTerminate: true))]
        for offset in 0..<40 {
            var scenario = Scenario(services: [service], clients: [.get(), .chat()], terminates: .seconds(1))
            scenario.clockJump = (.milliseconds(990) + .milliseconds(50) * offset, .seconds(86_400))
            scenario.logLevel = .error
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(offset)")
        }
    }

    @Test("a log reader that reads nothing delays nothing")
    func stalledLog() throws {
        var service = Scenario.Service()
        service.children[0].output = [.init(after: .milliseconds(1), bytes: Array(repeating: 10, count: 200_000))]
        var scenario = Scenario(services: [service], clients: [.get(), .chat()])
        scenario.faults = Faults(lostLogLines: 100)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
    }

    @Test("a flood of child output is drained, with its unfinished last line, and delays no client")
    func flood() throws {
        var service = Scenario.Service()
        let flood = Array(String(repeating: "noise\n", count: 200_000).utf8) + Array("the end".utf8)
        service.children[0].output = [.init(after: .milliseconds(1), bytes: flood)]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        #expect(
            simulation.kernel.logLines.count { String(decoding: $0, as: UTF8.self).hasSuffix("line=noise\n") }
                >= 200_000)
        #expect(simulation.kernel.logged(.output).contains { $0.contains("line=\"the end\"") })
        #expect(simulation.kernel.mostLinesPerTurn < Limits.outputLinesPerTurn + 50, "no turn is spent on it alone")
    }

    @Test("the last output of a process is logged completely, with a limit per loop iteration")
    func floodAtTheEnd() throws {
        var service = Scenario.Service()
        let flood = Array(repeating: UInt8(ascii: "\n"), count: 60_000) + Array("the end".utf8)
        service.children = [
            ChildScript(
                listensAfter: nil, exitsAfter: .milliseconds(30),
                output: [.init(after: .milliseconds(29), bytes: flood)]),
            .healthy,
        ]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(4))]))
        #expect(simulation.complaints == [])
        let output = simulation.kernel.logged(.output)
        #expect(output.count == 60_001 && output.last?.contains("line=\"the end\"") == true)
        #expect(
            simulation.kernel.logged(.startFailed).first?.contains("the end") == true, "the report has its last words")
        #expect(simulation.kernel.mostLinesPerTurn < Limits.outputLinesPerTurn + Limits.outputLinesAtEnd + 50)
    }
}
