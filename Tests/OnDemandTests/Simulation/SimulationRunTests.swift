import Testing

@testable import OnDemand

/// Traps of other projects while a backend runs; the numbers are those of the list of traps.
@Suite("Simulation: running")
struct SimulationRunTests {
    @Test("R1 a request after a crash starts a new process")
    func crash() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(crashesAtRequest: 2), .healthy]
        let clients = [ClientScript.get(), .get(at: .seconds(1)), .get(at: .seconds(2))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect((0...2).map { simulation.outcomes(of: $0)[0] } == [.answered(200), .answered(502), .answered(200)])
    }

    @Test("R1 a crash closes every tunnel at once, even if a grandchild keeps the sockets open")
    func crashWithTunnels() throws {
        var service = Scenario.Service()
        let grandchild = ChildScript.Grandchild(ignoresTerminate: true, keepsPort: true)
        service.children = [ChildScript(exitsAfter: .seconds(1), exit: .signal(11), grandchild: grandchild), .healthy]
        let endless = ScenarioRequest.Chat(up: 400, down: 400, pause: .seconds(1))
        let clients = [ClientScript.chat(endless), .chat(endless), .get(at: .seconds(4))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.cut])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }

    @Test("R2 a rejected upgrade returns its lease")
    func refusedUpgrade() throws {
        let clients = (0..<3).map { ClientScript.get(.refusedUpgrade, at: .milliseconds(10) * $0) }
        let simulation = try Simulation.run(Scenario(clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(404)])
    }

    @Test("R6 frames directly behind the upgrade and the 101 arrive, however the bytes are split")
    func eagerFrames() throws {
        for seed: UInt64 in 0..<60 {
            var eager = ClientScript.Request(
                .chat(.init(up: 9, down: 9, ending: seed.isMultiple(of: 2) ? .client : .backend)))
            eager.isEager = true
            var client = ClientScript(requests: [eager])
            if seed > 20 { client.pieces = (Int(seed), .microseconds(30)) }
            var scenario = Scenario(seed: seed, clients: [client])
            scenario.faults = Faults(partialReads: 30, partialWrites: 30, stalls: 10, lateEvents: 10, smallBuffers: 30)
            scenario.logLevel = .error
            scenario.asksAgain = false
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "seed \(seed)")
            #expect(simulation.outcomes(of: 0) == [.chatted], "seed \(seed)")
        }
    }

    @Test("R6 frames behind a rejected upgrade are not parsed as a request")
    func eagerFramesBehindRefusal() throws {
        var service = Scenario.Service()
        service.isEnabled = false
        var eager = ClientScript.Request(.chat(.init()))
        eager.isEager = true
        let simulation = try Simulation.run(Scenario(services: [service], clients: [ClientScript(requests: [eager])]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
    }

    @Test("R7 a slow reader throttles its backend and fills no memory")
    func slowReader() throws {
        var tunnel = ClientScript.chat(.init(up: 0, down: 2000, pause: .zero, burst: 60_000))
        tunnel.reading = .slow(bytes: 3000, every: .milliseconds(2))
        var answer = ClientScript.get(.chunked(700_000))
        answer.reading = .slow(bytes: 3000, every: .milliseconds(5))
        let simulation = try Simulation.run(Scenario(clients: [tunnel, answer]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("the next loop iteration relays what one could not, without waiting for an event")
    func moreThanOneTurn() throws {
        for seed: UInt64 in 1...30 {
            var scenario = Scenario(seed: seed, clients: [.chat(.init(up: 0, down: 1500, pause: .zero, burst: 60_000))])
            scenario.faults = Faults(slowTurns: 100)
            scenario.asksAgain = false
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "seed \(seed)")
            #expect(simulation.outcomes(of: 0) == [.chatted], "seed \(seed)")
        }
    }

    @Test("R7 a client that reads nothing of a response is closed, and a slow reader is not")
    func neverReads() throws {
        var never = ClientScript.get(.length(700_000))
        never.reading = .never
        var little = ClientScript.get(.length(700_000))
        little.reading = .slow(bytes: 40_000, every: .seconds(4))
        let simulation = try Simulation.run(Scenario(clients: [never, little]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("R7 a client that reads nothing in a tunnel is closed, and its backend may sleep")
    func neverReadsInTunnel() throws {
        var never = ClientScript.chat(.init(up: 0, down: 2000, pause: .zero, burst: 60_000))
        never.reading = .never
        var scenario = Scenario(clients: [never, .get(at: .seconds(60))])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.children.born == 2, "the first one slept in between")
    }

    @Test("R7 a client that stops in the middle of a body gets an error, and its backend may sleep")
    func stopsInTheBody() throws {
        var request = ClientScript.Request(.nothing)
        request.post = .init(count: 400)
        var client = ClientScript(requests: [request])
        client.pieces = (300, .seconds(3000))
        let simulation = try Simulation.run(Scenario(clients: [client]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(408)])
    }

    @Test("R7 a backend that reads nothing of a request is closed")
    func backendTakesNothing() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(accepts: false), .healthy]
        var request = ClientScript.Request(.nothing)
        request.post = .init(count: 900_000)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [ClientScript(requests: [request])]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(504)])
    }

    @Test("R9 a tunnel that is silent for hours is not ended by a request timeout")
    func silentTunnel() throws {
        let simulation = try Simulation.run(Scenario(clients: [.chat(.init(up: 1, down: 1, pause: .seconds(800)))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
    }

    @Test("R10 a connection without a request wakes no backend and keeps none awake")
    func silentConnection() throws {
        var scenario = Scenario(clients: [ClientScript(requests: [])])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 0)
    }

    @Test("a head that arrives too slowly is rejected before it wakes a backend")
    func tricklingHead() throws {
        var client = ClientScript.get()
        client.pieces = (5, .seconds(3))
        var scenario = Scenario(clients: [client])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(408)])
        #expect(simulation.kernel.children.born == 0)
    }

    @Test("a truncated response without a length does not look complete")
    func brokenOffAnswer() throws {
        var service = Scenario.Service()
        // A few milliseconds after it is ready: less than the fastest network needs for that many bytes.
        service.children = [ChildScript(exitsAfter: .milliseconds(24), exit: .signal(9))]
        service.children[0].resetsAtEnd = true
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(.untilClose(60_000_000))]))
        #expect(simulation.outcomes(of: 0) == [.cut])
    }
}
