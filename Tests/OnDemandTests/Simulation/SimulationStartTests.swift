import Testing

@testable import OnDemand

/// Traps of other projects during a start; the numbers are those of the list of traps.
@Suite("Simulation: starting")
struct SimulationStartTests {
    @Test("S1 a foreign listener on the address gets no request, and the client gets an error")
    func foreignListener() throws {
        var service = Scenario.Service()
        service.foreignListener = (.zero, .seconds(20))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat(at: .seconds(1))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(503)])
        #expect(!simulation.kernel.logged(.addressConflict).isEmpty)
    }

    @Test("S1 a foreign listener that takes the address after the check gets no request")
    func foreignListenerBetween() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(listensAfter: .milliseconds(100))]
        service.foreignListener = (.milliseconds(10), .seconds(20))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.complaints == [])
    }

    @Test(
        "S2 a child that exits early fails the queued requests at once",
        arguments: [Exit.status(0), .status(1), .signal(11)])
    func earlyExit(exit: Exit) throws {
        var service = Scenario.Service()
        service.policy.startupTimeout = .seconds(30)
        service.children = [ChildScript(listensAfter: nil, exitsAfter: .milliseconds(40), exit: exit), .healthy]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get()]))
        #expect(simulation.complaints == [])
        for client in 0...1 {
            #expect(simulation.outcomes(of: client) == [.answered(503)])
            #expect(try #require(simulation.wait(of: client)) < .milliseconds(50))
        }
    }

    @Test("S3 a slow start delays no other service")
    func startupSlow() throws {
        var slow = Scenario.Service()
        slow.children = [ChildScript(listensAfter: .seconds(1))]
        var other = ClientScript.get(at: .milliseconds(100))
        other.service = 1
        let simulation = try Simulation.run(Scenario(services: [slow, Scenario.Service()], clients: [.get(), other]))
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(40))
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(1040))
    }

    @Test("S5 a client that connects at the time of readiness gets a response")
    func momentOfReadiness() throws {
        for offset in 0..<120 {
            let moment = Duration.milliseconds(17) + .microseconds(50) * offset
            var scenario = Scenario(clients: [.get(), .get(at: moment), .chat(.init(), at: moment)])
            scenario.logLevel = .error
            scenario.asksAgain = false
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(moment) after the first client")
            #expect(simulation.outcomes(of: 1) == [.answered(200)])
            #expect(simulation.kernel.children.born == 1)
        }
    }

    @Test("S6 S7 a failed start gets Retry-After and is temporary, and a request waits for a short backoff")
    func failureDoesNotStick() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(listensAfter: nil, exitsAfter: .milliseconds(5)), .healthy]
        let clients = [ClientScript.get(), .get(at: .milliseconds(100)), .get(at: .seconds(2))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect((0...2).map { simulation.outcomes(of: $0)[0] } == [.answered(503), .answered(200), .answered(200)])
        #expect(simulation.clients[0].exchanges[0].retryAfter == "1")
        // Within a backoff of one second, minus jitter: one bad start causes no error page.
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(1000))
        #expect(simulation.kernel.children.starts[0] >= 2)
    }

    @Test("S6 a child that never listens is stopped at its timeout, and a second start follows")
    func neverListens() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(listensAfter: nil, ignoresTerminate: true), .healthy]
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(2010))
    }

    @Test(
        "S8 a start continues when a queued client leaves",
        arguments: [
            ClientScript.Leaving.close, .reset, .end,
        ])
    func leavesWhileHeld(how: ClientScript.Leaving) throws {
        var leaver = ClientScript.chat()
        leaver.leaves = (.milliseconds(5), how)
        let simulation = try Simulation.run(Scenario(clients: [leaver, .get(at: .milliseconds(6))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.logged(.started).count == 2, "one for both, and one for the last check")
    }

    @Test("S8 a queued client that leaves frees its slot for the next")
    func placeIsFreed() throws {
        var service = Scenario.Service()
        service.policy.maximumQueue = 1
        service.children = [ChildScript(listensAfter: .milliseconds(100))]
        var leaver = ClientScript.get()
        leaver.leaves = (.milliseconds(5), .close)
        let clients = [leaver, .get(at: .milliseconds(20)), .get(at: .milliseconds(30))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.outcomes(of: 2) == [.answered(503)])
    }

    @Test("S4 a backend that accepts before it can respond delays its clients, and its 404 is a response")
    func acceptsEarly() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(answersAfter: .seconds(4)), .healthy]
        let clients = [ClientScript.get(), .get(.refusedUpgrade), .chat(at: .milliseconds(500))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)] && simulation.outcomes(of: 1) == [.answered(404)])
        #expect(simulation.outcomes(of: 2) == [.chatted])
    }

    @Test("S11 P9 a backend without clients stops after its idle time")
    func readyForNobody() throws {
        var leaver = ClientScript.get()
        leaver.leaves = (.milliseconds(5), .close)
        var scenario = Scenario(clients: [leaver, .get(at: .seconds(4))])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 1)
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(5))
    }

    @Test("S11 P9 the shortest idle time never stops a backend that is in use")
    func shortestIdleTime() throws {
        var service = Scenario.Service()
        service.policy.idleTimeout = .nanoseconds(1)
        let simulation = try Simulation.run(
            Scenario(services: [service], clients: [.get(), .chat(), .get(at: .milliseconds(21))]))
        #expect(simulation.complaints == [])
    }
}
