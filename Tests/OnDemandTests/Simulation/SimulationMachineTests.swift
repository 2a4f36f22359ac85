import Testing

@testable import OnDemand

/// Trouble of the machine the daemon runs on; the numbers are those of the list of traps.
@Suite("Simulation: the machine's trouble")
struct SimulationMachineTests {
    @Test("D3 SIGHUP ends nothing")
    func hangUp() throws {
        var scenario = Scenario(clients: [.chat(.init(up: 9, down: 9, pause: .milliseconds(300)))])
        scenario.signals = [(.milliseconds(500), .hangUp)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
    }

    @Test("D1 SIGHUP at any moment of a start makes no second process")
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

    @Test("D2 SIGHUP while a backend is used leaves it its process, and the next client meets the same one")
    func hangUpWhileReady() throws {
        var scenario = Scenario(clients: [.get(), .get(at: .seconds(2)), .get(at: .seconds(4))])
        scenario.signals = [(.seconds(1), .hangUp), (.seconds(3), .hangUp)]
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
    }

    @Test("D6 a wall clock that is set a day ahead or back changes nothing", arguments: [86_400, -86_400] as [Int64])
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
        "D6 after a suspend of an hour an idle clock goes on where it stood, and clients that died have stopped counting"
    )
    func suspend() throws {
        // The monotonic clock stands still meanwhile: all that is seen of it is a wall clock that is an hour later, and
        // connections that keepalive finds dead half a minute after the machine is back.
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

    @Test("D6 a day that passes at once ends no tunnel and leaves nothing behind")
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

    @Test("without descriptors clients wait, nothing spins, and service resumes by itself", arguments: 4...14)
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

    @Test("who waits with an open connection for nothing makes room when descriptors run out")
    func roomIsMade() throws {
        let clients = (0..<30).map { number in
            var client = ClientScript.get(at: .milliseconds(30) * number)
            client.lingers = .seconds(60)
            return client
        }
        var scenario = Scenario(clients: clients)
        // Two of the daemon's own, two of its child's, and a few clients that have been served.
        scenario.descriptorLimit = 13
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        for client in 0..<30 {
            #expect(simulation.outcomes(of: client) == [.answered(200)])
            #expect(try #require(simulation.wait(of: client)) < .milliseconds(50))
        }
        #expect(simulation.kernel.logged(.listenerPaused).isEmpty)
    }

    @Test("D6 a day that passes at any moment of a shutdown leaves no child unreaped")
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

    @Test("a reader of the log that takes nothing holds up nothing")
    func stalledLog() throws {
        var service = Scenario.Service()
        service.children[0].output = [.init(after: .milliseconds(1), bytes: Array(repeating: 10, count: 200_000))]
        var scenario = Scenario(services: [service], clients: [.get(), .chat()])
        scenario.faults = Faults(lostLogLines: 100)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
    }

    @Test("a child's flood of output is drained, with its unfinished last line, and starves nobody")
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

    @Test("of what a process printed last, no line is lost and no turn has more than its share")
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
