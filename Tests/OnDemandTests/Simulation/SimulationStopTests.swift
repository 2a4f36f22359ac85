import Testing

@testable import OnDemand

/// Traps of other projects during a stop; the numbers are those of the list of traps.
@Suite("Simulation: stopping")
struct SimulationStopTests {
    @Test("P1 a request at any time of a stop gets a response from a process that is not stopping")
    func stopWindow() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(lingers: .milliseconds(150)), .healthy]
        // The first client is gone at about 5.02 s, and so is the first process at 5.18 s.
        for offset in 0..<220 {
            let moment = Duration.milliseconds(5010) + .milliseconds(1) * offset
            var scenario = Scenario(services: [service], clients: [.get(), .get(at: moment), .chat(at: moment)])
            scenario.faults = Faults(lateEvents: 10, lateTimers: 10, slowNetwork: 5)
            scenario.logLevel = .error
            scenario.asksAgain = false
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "at \(moment)")
            #expect(simulation.outcomes(of: 1) == [.answered(200)], "at \(moment)")
            #expect(simulation.outcomes(of: 2) == [.chatted], "at \(moment)")
        }
    }

    @Test("P2 P11 late events of one generation never affect the next")
    func generations() throws {
        var service = Scenario.Service()
        service.children = [
            ChildScript(exitsAfter: .seconds(1), exit: .signal(11), grandchild: .init(lingers: .milliseconds(900))),
            .healthy,
        ]
        // A client that notices and leaves late, while the next generation is in use.
        var late = ClientScript.chat(.init(up: 0, down: 300, ending: .backend, pause: .milliseconds(30)))
        late.reading = .slow(bytes: 50, every: .milliseconds(40))
        late.leaves = (.milliseconds(3200), .reset)
        let clients = [late, late, .chat(.init(up: 60, down: 60, pause: .milliseconds(40)), at: .milliseconds(2500))]
        for seed: UInt64 in 1...20 {
            var scenario = Scenario(seed: seed, services: [service], clients: clients)
            scenario.faults = Faults(lateEvents: 20, duplicateEvents: 20, staleEvents: 20, lateSignals: 30)
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "seed \(seed)")
            #expect(simulation.outcomes(of: 2) == [.chatted], "seed \(seed)")
        }
    }

    @Test("P3 a process that ignores TERM is killed with its whole group")
    func ignoresTerminate() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(ignoresTerminate: true, grandchild: .init(ignoresTerminate: true)), .healthy]
        let simulation = try Simulation.run(
            Scenario(services: [service], clients: [.get(), .get(at: .milliseconds(5500))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(2100))
        #expect(try #require(simulation.kernel.logged(.stopped).first).contains("how=KILL"))
    }

    @Test("P3 a grandchild that stays is killed although its leader exits at once")
    func grandchildStays() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(grandchild: .init(ignoresTerminate: true, keepsPort: true)), .healthy]
        let simulation = try Simulation.run(
            Scenario(services: [service], clients: [.get(), .get(at: .milliseconds(5500))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("P4 a detached process that holds the log pipe delays nothing")
    func heldPipe() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(grandchild: .init(isDetached: true)), .healthy]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(6))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.logged(.stopped).count == 3)
    }

    @Test("P4 a process that left its group is killed with the rest of its process tree")
    func detachedGrandchild() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(grandchild: .init(isDetached: true)), .healthy]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.kernel.children.all.isEmpty)
    }

    @Test("P5 every process is reaped, adopted grandchildren included")
    func zombies() throws {
        var service = Scenario.Service()
        let grandchild = ChildScript.Grandchild(lingers: .milliseconds(300))
        service.children = [
            ChildScript(exitsAfter: .seconds(1), grandchild: grandchild), ChildScript(grandchild: grandchild),
        ]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(4))]))
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.all.isEmpty)
    }

    @Test("P8 the idle timer starts when the last client has left")
    func idleClock() throws {
        var scenario = Scenario(clients: [
            .chat(.init(up: 1, down: 1, pause: .seconds(15))), .get(at: .milliseconds(19_900)),
        ])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
    }

    @Test("D5 the daemon exits on SIGTERM, whatever its clients and children do")
    func leaves() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(ignoresTerminate: true, grandchild: .init(ignoresTerminate: true))]
        let endless = ScenarioRequest.Chat(up: 4000, down: 4000, pause: .seconds(1))
        let clients = [ClientScript.chat(endless), .get(), ClientScript(requests: []), .get(at: .milliseconds(1100))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients, terminates: .seconds(1)))
        #expect(simulation.complaints == [])
        #expect(simulation.daemon?.hasExited == true)
    }

    @Test("D5 the daemon may get SIGTERM at any time of a start")
    func leavesWhileStarting() throws {
        for offset in 0..<60 {
            var scenario = Scenario(clients: [.get(), .chat()], terminates: .microseconds(500) * offset)
            scenario.logLevel = .error
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(offset)")
        }
    }

    @Test("D5 a second signal ends the timeouts of the stop plan")
    func hurries() throws {
        var service = Scenario.Service()
        service.policy.stopPlan = .politely(for: .seconds(600))
        service.children = [ChildScript(ignoresTerminate: true)]
        var scenario = Scenario(services: [service], clients: [.get()], terminates: .seconds(1))
        scenario.signals = [(.seconds(2), .terminate)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.kernel.logged(.exited).first).hasPrefix("2027-01-15T08:00:03"))
    }
}
