import Testing

@testable import OnDemand

/// What others fell into while a backend runs; the numbers are those of the list of traps.
@Suite("Simulation: running")
struct SimulationRunTests {
    @Test("R1 after a crash the next request starts a new one")
    func crash() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(crashesAtRequest: 2), .healthy]
        let clients = [ClientScript.get(), .get(at: .seconds(1)), .get(at: .seconds(2))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect((0...2).map { simulation.outcomes(of: $0)[0] } == [.answered(200), .answered(502), .answered(200)])
    }

    @Test("R1 a crash closes every tunnel at once, even where a grandchild keeps the sockets' names alive")
    func crashWithTunnels() throws {
        var service = Scenario.Service()
        let grandchild = ChildScript.Grandchild(ignoresTerminate: true, keepsPort: true)
        service.children = [ChildScript(exitsAfter: .seconds(1), exit: .signal(11), grandchild: grandchild), .healthy]
        let endless = Wish.Chat(up: 400, down: 400, pause: .seconds(1))
        let clients = [ClientScript.chat(endless), .chat(endless), .get(at: .seconds(4))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.cut])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }

    @Test("R2 a refused upgrade gives its lease back")
    func refusedUpgrade() throws {
        let clients = (0..<3).map { ClientScript.get(.refusedUpgrade, at: .milliseconds(10) * $0) }
        let simulation = try Simulation.run(Scenario(clients: clients))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(404)])
    }

    @Test("R6 frames right behind the upgrade and right behind the 101 arrive, however the bytes are cut")
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

    @Test("R6 frames behind an upgrade that is refused are not taken for a request")
    func eagerFramesBehindRefusal() throws {
        var service = Scenario.Service()
        service.isEnabled = false
        var eager = ClientScript.Request(.chat(.init()))
        eager.isEager = true
        let simulation = try Simulation.run(Scenario(services: [service], clients: [ClientScript(requests: [eager])]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
    }

    @Test("R7 a slow reader holds back its backend and fills no memory")
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

    @Test("what one turn could not carry is carried by the next, without waiting for an event")
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

    @Test("R7 who takes nothing at all of an answer is let go, and who takes little by little is not")
    func neverReads() throws {
        var never = ClientScript.get(.length(700_000))
        never.reading = .never
        var little = ClientScript.get(.length(700_000))
        little.reading = .slow(bytes: 40_000, every: .seconds(4))
        let simulation = try Simulation.run(Scenario(clients: [never, little]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("R7 who takes nothing at all in a tunnel is let go, and its backend may sleep")
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

    @Test("R7 who stops in the middle of a body is told, and its backend may sleep")
    func stopsInTheBody() throws {
        var request = ClientScript.Request(.nothing)
        request.post = .init(count: 400)
        var client = ClientScript(requests: [request])
        client.pieces = (300, .seconds(3000))
        let simulation = try Simulation.run(Scenario(clients: [client]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(408)])
    }

    @Test("R7 a backend that takes nothing of a request is given up")
    func backendTakesNothing() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(accepts: false), .healthy]
        var request = ClientScript.Request(.nothing)
        request.post = .init(count: 900_000)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [ClientScript(requests: [request])]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(504)])
    }

    @Test("R9 no request's limit ends a tunnel that is silent for hours")
    func silentTunnel() throws {
        let simulation = try Simulation.run(Scenario(clients: [.chat(.init(up: 1, down: 1, pause: .seconds(800)))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
    }

    @Test("R10 a connection that never asks wakes nobody and keeps nobody awake")
    func silentConnection() throws {
        var scenario = Scenario(clients: [ClientScript(requests: [])])
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.children.born == 0)
    }

    @Test("a head that trickles is refused before it has woken anybody")
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

    @Test("an answer without a length that breaks off is not passed off as complete")
    func brokenOffAnswer() throws {
        var service = Scenario.Service()
        // A few milliseconds after it is ready: less than the quickest of networks needs for so much.
        service.children = [ChildScript(exitsAfter: .milliseconds(24), exit: .signal(9))]
        service.children[0].resetsAtEnd = true
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(.untilClose(60_000_000))]))
        #expect(simulation.outcomes(of: 0) == [.cut])
    }
}
