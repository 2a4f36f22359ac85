import Testing

@testable import OnDemand

/// A daemon with several threads, each with its own view of one world: the seed chooses the next thread.
@Suite("Simulation: several threads")
struct SimulationThreadTests {
    private let endless = ScenarioRequest.Chat(up: 400, down: 400, pause: .seconds(1))

    private func simulation(of clients: [ClientScript], _ service: Scenario.Service = .init()) -> Simulation {
        var scenario = Scenario(services: [service], clients: clients)
        scenario.threads = 3
        return Simulation(scenario)
    }

    @Test("tunnels are distributed to all threads, end there, and leave nothing behind")
    func sharedOut() throws {
        let clients = (0..<30).map {
            ClientScript.chat(.init(up: 40, down: 40, pause: .milliseconds(100)), at: .milliseconds(2) * $0)
        }
        let simulation = simulation(of: clients)
        var shares: [Int] = []
        simulation.kernel.scenario(after: .seconds(1)) {
            guard let daemon = simulation.daemon else { return }
            shares = [daemon.proxy.relay.count] + daemon.workers.map(\.relay.count)
        }
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(shares == [10, 10, 10])
        #expect((0..<30).allSatisfy { simulation.outcomes(of: $0) == [.chatted] })
    }

    @Test("R1 a crash ends the tunnels of every thread, and none of the next generation")
    func crash() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(exitsAfter: .seconds(1), exit: .signal(11)), .healthy]
        let clients = (0..<9).map { _ in ClientScript.chat(endless) } + [.chat(.init(), at: .seconds(2))]
        let simulation = simulation(of: clients, service)
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect((0..<9).allSatisfy { simulation.outcomes(of: $0) == [.cut] })
        #expect(simulation.outcomes(of: 9) == [.chatted])
    }

    @Test(
        "a tunnel in transit to another thread is not lost at a crash, a command or a shutdown")
    func onTheWay() throws {
        for offset in 0..<30 {
            for threads in 2...3 {
                var service = Scenario.Service()
                let moment = Duration.milliseconds(100) + .microseconds(80) * offset
                service.children = [ChildScript(exitsAfter: offset.isMultiple(of: 3) ? moment : nil), .healthy]
                var scenario = Scenario(
                    seed: UInt64(offset + 1), services: [service],
                    clients: (0..<4).map { .chat(endless, at: moment + .microseconds(11) * $0 - .milliseconds(1)) })
                scenario.threads = threads
                scenario.faults.lateEvents = 40
                if offset % 3 == 1 { scenario.operations = [(moment, 0, .restart)] }
                if offset % 3 == 2 { scenario.terminates = moment }
                let simulation = try Simulation.run(scenario)
                #expect(simulation.complaints == [], "\(threads) threads, \(offset)")
            }
        }
    }

    @Test("idle_when counts client data on every thread, and the daemon closes all tunnels in the end")
    func clientData() throws {
        var service = Scenario.Service()
        service.policy.idleWhen = .noClientData
        let clients = (0..<6).map { ClientScript.chat(endless, at: .milliseconds(3) * $0) }
        let simulation = simulation(of: clients, service)
        var generations: [Int] = []
        for second in [10, 100, 300] {
            simulation.kernel.scenario(after: .seconds(second)) { generations.append(simulation.kernel.children.born) }
        }
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(generations == [1, 1, 1], "each of them speaks once a second, longer than its idle timeout")
    }

    @Test("leases of many tunnels are counted correctly under operations, reloads, crashes and shutdowns")
    func crowds() throws {
        for seed: UInt64 in 1...60 {
            var scenario = Scenario.drawn(seed: seed &* 7919)
            var dice = Seeded(seed: seed)
            scenario.threads = dice.number(in: 2...3)
            for _ in 0..<dice.number(in: 2...10) {
                let chat = ScenarioRequest.Chat(
                    up: dice.number(in: 1...60), down: dice.number(in: 1...60),
                    pause: dice.one(of: [.milliseconds(2), .milliseconds(50), .milliseconds(300)]))
                var script = ClientScript.chat(chat, at: dice.duration(.zero ... .seconds(4)))
                script.service = dice.below(scenario.services.count)
                scenario.clients.append(script)
            }
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "seed \(seed)")
        }
    }
}
