import Testing

@testable import OnDemand

/// Traps of other projects while a configuration changes; the numbers are those of the list of traps.
@Suite("Simulation: reloading")
struct SimulationReloadTests {
    private typealias Reload = Scenario.Reload
    private let endless = ScenarioRequest.Chat(up: 4000, down: 4000, pause: .seconds(1))

    private func run(
        _ reloads: [Scenario.Reload], _ clients: [ClientScript], services: [Scenario.Service] = [.init()]
    ) throws -> Simulation {
        var scenario = Scenario(services: services, clients: clients)
        scenario.reloads = reloads
        return try Simulation.run(scenario)
    }

    @Test("D3 a reload without a change does nothing, and a broken file is logged and not applied")
    func nothing() throws {
        let reloads = [
            Reload(at: .seconds(1), change: .nothing), Reload(at: .seconds(2), change: .broken),
            Reload(at: .seconds(2), change: .broken), Reload(at: .seconds(3), change: .nothing),
        ]
        let chat = ScenarioRequest.Chat(up: 60, down: 60, pause: .milliseconds(100))
        let simulation = try run(reloads, [.chat(chat), .get(at: .seconds(4))])
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.children.starts == [2])  // The second start happens at the end.
        #expect(simulation.kernel.logged(.reloaded).count >= 2)
        #expect(try #require(simulation.kernel.logged(.reloadFailed).first).contains("config:1:1: error: broken"))
    }

    @Test("D1 a reload at any time of a start causes no second process and loses no queued request")
    func whileStarting() throws {
        for change in [Reload.Change.nothing, .replace(atOnce: false), .replace(atOnce: true), .move, .rename] {
            for offset in 0..<40 {
                var scenario = Scenario(clients: [
                    .get(), .chat(.init(), at: .milliseconds(1)), .get(at: .milliseconds(30)),
                ])
                scenario.reloads = [Reload(at: .microseconds(700) * offset, change: change)]
                scenario.asksAgain = false
                let simulation = try Simulation.run(scenario)
                #expect(simulation.complaints == [], "\(change) \(offset)")
                let served = [0, 2].map { simulation.outcomes(of: $0)[0] }
                // Requests to a removed name get an error; the new name serves later requests.
                guard change != .rename else { continue }
                #expect(served == [.answered(200), .answered(200)], "\(change) \(offset)")
            }
        }
    }

    @Test("D1 a reload at any time of a stop causes no second process and loses no queued request")
    func whileStopping() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(lingers: .milliseconds(60)), .healthy]
        for change in [Reload.Change.replace(atOnce: false), .replace(atOnce: true), .move, .disable] {
            for offset in 0..<40 {
                let moment = Duration.milliseconds(5000) + .milliseconds(2) * offset
                var scenario = Scenario(services: [service], clients: [.get(), .get(at: moment + .milliseconds(3))])
                scenario.reloads = [Reload(at: moment, change: change)]
                let simulation = try Simulation.run(scenario)
                #expect(simulation.complaints == [], "\(change) \(moment)")
                guard change != .disable else { continue }
                #expect(simulation.outcomes(of: 1) == [.answered(200)], "\(change) \(moment)")
            }
        }
    }

    @Test("D2 a reload keeps processes, generations, counters and startup times")
    func kept() throws {
        let reloads = [
            Reload(at: .seconds(1), change: .replace(atOnce: false)),
            Reload(at: .seconds(2), change: .toggleSecondListener),
        ]
        var scenario = Scenario(clients: [.get(), .get(at: .seconds(3)), .get(at: .seconds(20))])
        scenario.reloads = reloads
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        let started = simulation.kernel.logged(.started)
        #expect(started.count == 2)
        #expect(started[0].contains("generation=1") && started[1].contains("generation=2"))
        #expect(started[0].contains("command=\"0 0 0\"") && started[1].contains("command=\"0 0 1\""))
    }

    @Test("a process that is replaced at once closes its tunnels, and later clients reach the new process")
    func restart() throws {
        let clients = [ClientScript.chat(endless), .get(at: .milliseconds(2100)), .chat(at: .milliseconds(2500))]
        let simulation = try run([Reload(at: .seconds(2), change: .replace(atOnce: true))], clients)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.cut])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.outcomes(of: 2) == [.chatted])
        #expect(simulation.kernel.logged(.started).count >= 2)
    }

    @Test("a removed service gets 404, and serves again when it is restored")
    func removed() throws {
        let reloads = [Reload(at: .seconds(1), change: .remove, service: 0), Reload(at: .seconds(10), change: .add)]
        let clients = [ClientScript.chat(endless), .get(at: .seconds(5)), .get(at: .seconds(11))]
        let simulation = try run(reloads, clients, services: [.init(), .init()])
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.cut])
        #expect(simulation.outcomes(of: 1) == [.answered(404)])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }

    @Test("a request in progress may finish while its service is removed")
    func removedDuringRequest() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(answersAfter: .seconds(4))]
        let reloads = [Reload(at: .seconds(1), change: .remove)]
        let simulation = try run(reloads, [.get()], services: [service, .init()])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test("a service gets 503 while it is disabled by the file, and serves when it is enabled")
    func switched() throws {
        let reloads = [Reload(at: .seconds(1), change: .disable), Reload(at: .seconds(10), change: .enable)]
        let simulation = try run(reloads, [.get(), .get(at: .seconds(5)), .get(at: .seconds(11))])
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(503)])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
    }

    @Test("a new name at an address waits until its previous owner has exited")
    func renamed() throws {
        var service = Scenario.Service()
        service.children = [ChildScript(lingers: .milliseconds(400)), .healthy]
        let clients = [ClientScript.chat(endless), .get(at: .milliseconds(1001)), .get(at: .milliseconds(2300))]
        let simulation = try run([Reload(at: .seconds(1), change: .rename)], clients, services: [service])
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.outcomes(of: 2) == [.answered(200)])
        #expect(simulation.kernel.logged(.startFailed).isEmpty)
        #expect(simulation.kernel.logged(.addressConflict).isEmpty)
    }

    @Test("a service may move and move back while its process stays at the first address")
    func movedBack() throws {
        let reloads = [
            Reload(at: .seconds(1), change: .move), Reload(at: .milliseconds(1010), change: .move),
            Reload(at: .seconds(9), change: .move),
        ]
        let simulation = try run(
            reloads, [.get(), .get(at: .seconds(2)), .get(at: .seconds(12)), .get(at: .seconds(30))])
        #expect(simulation.complaints == [])
        #expect((0...3).allSatisfy { simulation.outcomes(of: $0) == [.answered(200)] })
    }

    @Test("two changes in a row without a request reach each generation at its own address")
    func movedUnseen() throws {
        var service = Scenario.Service()
        service.policy.alwaysOn = true
        let reloads = [
            Reload(at: .milliseconds(10), change: .replace(atOnce: true)), Reload(at: .seconds(1), change: .move),
            Reload(at: .seconds(3), change: .replace(atOnce: false)), Reload(at: .seconds(7), change: .move),
        ]
        let simulation = try run(reloads, [.get(at: .seconds(5)), .get(at: .seconds(9))], services: [service])
        #expect(simulation.complaints == [])
        #expect(simulation.clients.allSatisfy { $0.exchanges[0].outcome == .answered(200) })
    }

    @Test("an inherited socket stays for a new command, and moves with its service")
    func inheritedSocket() throws {
        for picksPort in [false, true] {
            var service = Scenario.Service()
            service.policy.readiness = .socket
            service.picksPort = picksPort
            let changes: [Reload.Change] = [.replace(atOnce: false), .replace(atOnce: true), .rename, .move]
            let reloads = changes.enumerated().map { Reload(at: .seconds(10 * ($0 + 1)), change: $1) }
            let clients = (0...4).map { ClientScript.get(at: .seconds(10 * $0 + 5)) }
            let simulation = try run(reloads, clients, services: [service])
            #expect(simulation.complaints == [])
            #expect(simulation.clients.allSatisfy { $0.exchanges[0].outcome == .answered(200) })
        }
    }

    @Test("a reload does not stop an unmanaged backend, and its clients leave with the configuration")
    func plain() throws {
        var service = Scenario.Service()
        service.launches = false
        let reloads = [
            Reload(at: .seconds(1), change: .disable), Reload(at: .seconds(2), change: .enable),
            Reload(at: .seconds(3), change: .remove), Reload(at: .seconds(4), change: .add),
            Reload(at: .seconds(5), change: .toggleLaunch), Reload(at: .seconds(8), change: .toggleLaunch),
        ]
        let simulation = try run(
            reloads, [.get(at: .seconds(6)), .get(at: .seconds(9))], services: [service, .init()])
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(simulation.outcomes(of: 1) == [.answered(502)])
    }

    @Test("D1 a reload at any time of a start may remove a dependency without rejecting a queued request")
    func requiresLess() throws {
        var service = Scenario.Service()
        service.policy.requires = ["p0"]
        for change in [Reload.Change.toggleRequirements, .toggleProcesses] {
            for offset in 0..<40 {
                var scenario = Scenario(
                    services: [service], processes: [.init()], clients: [.get(), .get(at: .seconds(20))])
                scenario.processes[0].children = [ChildScript(listensAfter: .milliseconds(30))]
                scenario.reloads = [Reload(at: .milliseconds(2) * offset, change: change)]
                scenario.asksAgain = false
                let simulation = try Simulation.run(scenario)
                #expect(simulation.complaints == [], "\(change) \(offset)")
                #expect(simulation.kernel.logged(.startFailed).isEmpty, "\(change) \(offset)")
                #expect((0...1).allSatisfy { simulation.outcomes(of: $0) == [.answered(200)] }, "\(change) \(offset)")
                #expect(simulation.kernel.children.starts == [2, 1], "\(change) \(offset)")
            }
        }
    }

    @Test("a failed dependency does not affect a service that no longer requires it")
    func failedRequirement() throws {
        var service = Scenario.Service()
        service.policy.requires = ["p0"]
        var scenario = Scenario(services: [service], processes: [.init()], clients: [.get(), .get(at: .seconds(8))])
        scenario.processes[0].children = [ChildScript(listensAfter: nil)]
        // Once while it waits for the process, once during the backoff because of it.
        scenario.reloads = [
            Reload(at: .milliseconds(1500), change: .replace(atOnce: false)),
            Reload(at: .milliseconds(2500), change: .toggleProcesses),
        ]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.logged(.started).contains { $0.contains("command=\"0 0 1\"") })
    }

    @Test("a new service finds its dependency anywhere in the file")
    func newRequirement() throws {
        var first = Scenario.Service()
        first.policy.requires = ["s1"]
        first.policy.alwaysOn = true
        var scenario = Scenario(services: [first, .init(), .init()])
        scenario.reloads = [
            Reload(at: .zero, change: .remove, service: 0), Reload(at: .zero, change: .remove, service: 1),
            Reload(at: .seconds(1), change: .add, service: 0),
        ]
        scenario.reloads[2].andAlso = 1
        scenario.asksAgain = false
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.startFailed).isEmpty)
        #expect(simulation.kernel.logged(.ready).count == 2)
    }

    @Test("a daemon in shutdown does not reload its configuration")
    func whileLeaving() throws {
        var scenario = Scenario(clients: [.chat(endless)], terminates: .seconds(1))
        scenario.signals = [(.milliseconds(1200), .hangUp)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.signalIgnored).count == 1)
        #expect(simulation.kernel.logged(.reloaded).isEmpty)
    }

    @Test("a reload with a failing kernel call applies completely or not at all")
    func failingCalls() throws {
        for call in 1...40 {
            var scenario = Scenario(clients: [.get(), .get(at: .seconds(2))], failingCall: call)
            scenario.reloads = [Reload(at: .seconds(1), change: .toggleSecondListener)]
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "call \(call)")
        }
    }
}
