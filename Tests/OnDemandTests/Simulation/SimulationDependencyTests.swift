import Testing

@testable import OnDemand

/// Backends that require others, and processes without routes, in the whole daemon.
@Suite("Simulation: more than one process")
struct SimulationDependencyTests {
    private func scenario(
        _ processes: [Scenario.Process] = [.init()], _ clients: [ClientScript] = [.get()],
        change: (inout Scenario.Service) -> Void = { _ in }
    ) -> Scenario {
        var service = Scenario.Service()
        service.policy.requires = ["p0"]
        change(&service)
        var scenario = Scenario(services: [service], processes: processes, clients: clients)
        scenario.asksAgain = false
        return scenario
    }

    private func alwaysOn(_ change: (inout Scenario.Process) -> Void = { _ in }) -> Scenario.Process {
        var process = Scenario.Process()
        process.policy.alwaysOn = true
        change(&process)
        return process
    }

    @Test("a dependency is ready before its dependents start, and stops after they are idle")
    func order() throws {
        let simulation = try Simulation.run(scenario())
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(
            simulation.lives == [
                "started p0", "ready p0", "started s0", "ready s0", "idle s0", "stopping s0", "stopped s0", "idle p0",
                "stopping p0", "stopped p0",
            ])
    }

    @Test("a chain of dependencies starts from its end and sleeps from its beginning")
    func chain() throws {
        var first = Scenario.Process()
        first.policy.requires = ["p1"]
        let simulation = try Simulation.run(scenario([first, .init()]))
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0.hasPrefix("ready") } == ["ready p1", "ready p0", "ready s0"])
        #expect(simulation.lives.filter { $0.hasPrefix("stopped") } == ["stopped s0", "stopped p0", "stopped p1"])
    }

    @Test("a shared dependency starts once and stays awake until its last dependent stops")
    func shared() throws {
        var scenario = scenario()
        scenario.services.append(scenario.services[0])
        var other = ClientScript.get(at: .seconds(4))
        other.service = 1
        scenario.clients.append(other)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0.hasSuffix("p0") }.count == 5, "one life")
        #expect(simulation.lives.last == "stopped p0")
    }

    @Test("a dependency that never gets ready is named in the response, and its dependents do not start")
    func neverReady() throws {
        var process = Scenario.Process()
        process.children = [ChildScript(listensAfter: nil)]
        let simulation = try Simulation.run(scenario([process], [.get(), .get(at: .milliseconds(2500))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)] && simulation.outcomes(of: 1) == [.answered(503)])
        let body = String(decoding: simulation.clients[0].exchanges[0].body, as: UTF8.self)
        #expect(body.contains("requires p0, which did not become ready within 2s"), "\(body)")
        #expect(simulation.clients[1].exchanges[0].retryAfter != nil)
        #expect(simulation.kernel.logged(.startFailed).contains { $0.contains("reason=dependency_failed") })
        #expect(!simulation.lives.contains("started s0"))
    }

    @Test("a failed dependency blocks its dependents only until it can start again")
    func doesNotStick() throws {
        var process = Scenario.Process()
        process.children = [ChildScript(listensAfter: nil, exitsAfter: .milliseconds(10)), .healthy]
        let simulation = try Simulation.run(scenario([process], [.get(), .get(at: .seconds(2))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)] && simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("a crash of a dependency ends no tunnel, and restarts it at once", arguments: [true, false])
    func crash(isAlwaysOn: Bool) throws {
        var process = Scenario.Process()
        process.policy.alwaysOn = isAlwaysOn
        process.children = [ChildScript(exitsAfter: .seconds(1), exit: .signal(11)), .healthy]
        let chat = ScenarioRequest.Chat(up: 30, down: 30, pause: .milliseconds(100))
        let simulation = try Simulation.run(scenario([process], [.chat(chat)]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
        let lives = simulation.lives
        let crashed = try #require(lives.firstIndex(of: "crashed p0"))
        #expect(lives[crashed...].prefix(4) == ["crashed p0", "stopped p0", "started p0", "ready p0"])
        #expect(lives.filter { $0 == "started s0" }.count == 1)
        #expect(!isAlwaysOn || !lives.contains("idle p0"))
        #expect(isAlwaysOn || lives.last == "stopped p0", "the hold went over to the new life, and ended with it")
    }

    @Test("a dependency that keeps crashing is in backoff between its starts while its dependent runs")
    func crashLoop() throws {
        var process = Scenario.Process()
        process.children = Array(repeating: ChildScript(exitsAfter: .milliseconds(200)), count: 4) + [.healthy]
        let chat = ScenarioRequest.Chat(up: 40, down: 40, pause: .seconds(1))
        let simulation = try Simulation.run(scenario([process], [.chat(chat)]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted])
        #expect(simulation.lives.filter { $0 == "started p0" }.count == 5)
        #expect(simulation.lives.last == "stopped p0")
    }

    @Test("a dependency may crash at any time of the start that waits for it")
    func crashDuringStart() throws {
        for offset in 0..<80 {
            var process = Scenario.Process()
            process.children = [ChildScript(exitsAfter: .microseconds(500) * offset), .healthy]
            var scenario = scenario([process], [.get(), .get(at: .seconds(3))])
            scenario.logLevel = .error
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(offset)")
            #expect(simulation.outcomes(of: 1) == [.answered(200)], "\(offset)")
        }
    }

    @Test("the daemon may shut down at any time of a start with dependencies")
    func leavesWhileStarting() throws {
        for offset in 0..<120 {
            var scenario = scenario([.init(), alwaysOn()], [.get(), .chat()])
            scenario.terminates = .microseconds(500) * offset
            scenario.logLevel = .error
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [], "\(offset)")
        }
    }

    @Test("processes start in the order of the file, and stop in reverse order after the services at a shutdown")
    func shutdown() throws {
        var scenario = scenario(
            [alwaysOn(), alwaysOn(), alwaysOn()], [.chat(.init(up: 400, down: 400, pause: .seconds(1)))])
        for index in scenario.processes.indices { scenario.processes[index].children[0].lingers = .milliseconds(300) }
        scenario.terminates = .seconds(3)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        let lives = simulation.lives
        #expect(lives.filter { $0.hasPrefix("started") } == ["started p0", "started p1", "started p2", "started s0"])
        #expect(
            lives.suffix(8) == [
                "stopping s0", "stopped s0", "stopping p2", "stopped p2", "stopping p1", "stopped p1", "stopping p0",
                "stopped p0",
            ])
    }

    @Test("a process that requires a later one starts after it and stops before it")
    func shutdownAgainstTheFile() throws {
        var scenario = scenario([alwaysOn { $0.policy.requires = ["p1"] }, alwaysOn()], [])
        scenario.terminates = .seconds(3)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0.hasPrefix("started") } == ["started p1", "started p0"])
        #expect(simulation.lives.filter { $0.hasPrefix("stopped") } == ["stopped p0", "stopped p1"])
    }

    @Test("a second signal ends the shutdown without the order of stops")
    func hurries() throws {
        var scenario = scenario([alwaysOn(), alwaysOn()], [])
        for index in scenario.processes.indices {
            scenario.processes[index].policy.stopPlan = .politely(for: .seconds(600))
        }
        scenario.processes[1].children = [ChildScript(ignoresTerminate: true)]
        scenario.terminates = .seconds(1)
        scenario.signals = [(.seconds(2), .terminate)]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.kernel.logged(.exited).first).hasPrefix("2027-01-15T08:00:03"))
    }

    @Test("a process that crashes during the shutdown is not restarted")
    func crashWhileLeaving() throws {
        var scenario = scenario([alwaysOn { $0.children = [ChildScript(exitsAfter: .milliseconds(2100)), .healthy] }])
        scenario.services[0].children = [ChildScript(lingers: .milliseconds(900))]
        scenario.terminates = .seconds(2)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0 == "started p0" }.count == 1)
    }

    @Test("without auto_restart an exit is logged and causes no restart", arguments: [0, 3] as [Int32])
    func once(status: Int32) throws {
        let script = ChildScript(exitsAfter: .seconds(1), exit: .status(status))
        let process = alwaysOn {
            $0.children = [script]
            $0.policy.restarts = false
            $0.hasAddress = false
        }
        let simulation = try Simulation.run(scenario([process], []) { $0.policy.requires = [] })
        #expect(simulation.complaints == [])
        let expected = ["started p0", "ready p0"] + (status == 0 ? [] : ["crashed p0"]) + ["stopped p0"]
        #expect(simulation.lives == expected)
    }

    @Test(
        "a process that is stopped, disabled or no longer always on during start_delay does not start",
        arguments: [BackendOperation.stop, .disable, nil])
    func stoppedDuringStartDelay(operation: BackendOperation?) throws {
        let process = alwaysOn { $0.startDelay = .seconds(60) }
        let scenario = Scenario(services: [], processes: [process])
        let processes = try scenario.configuration.processes
        let bench = try CableBench { $0.processes = processes }
        bench.kernel.children.add(process.children, process.policy, at: Scenario.address(of: 0))
        bench.kernel.children.requirements.append([])
        bench.kernel.children.tellsReadiness.append(true)
        let backend = bench.daemon.supervisor.inOrder[0]
        bench.run(for: .seconds(10))
        if let operation {
            bench.daemon.supervisor.execute(operation, on: backend.id)
        } else {
            bench.reload { $0.processes[0].policy.alwaysOn = false }
        }
        bench.run(for: .seconds(60))
        #expect(backend.machine.state == .asleep && bench.kernel.children.born == 0)
    }

    @Test("start_delay delays a start unless a dependent needs it")
    func startDelay() throws {
        let delayed = alwaysOn { $0.startDelay = .seconds(20) }
        let alone = try Simulation.run(scenario([delayed], []))
        #expect(alone.complaints == [])
        #expect(alone.kernel.logged(.started).first?.hasPrefix("2027-01-15T08:00:21") == true)
        let required = try Simulation.run(scenario([delayed], [.get(at: .seconds(2))]))
        #expect(required.complaints == [])
        #expect(required.kernel.logged(.started).first?.hasPrefix("2027-01-15T08:00:03") == true)
        #expect(required.lives.filter { $0 == "started p0" }.count == 1)
    }
}

// MARK: - A requirement that stops listening

extension SimulationDependencyTests {
    /// A chat of s0 lasts 40 s. Its requirement s1 stops listening after 3 s for a minute, which a client notices.
    private var listenerLost: Scenario {
        var (first, second) = (Scenario.Service(), Scenario.Service())
        first.policy.requires = ["s1"]
        let flap = ChildScript.Flap(listens: .seconds(3), gap: .seconds(60), serves: true)
        second.children = [ChildScript(flap: flap), .healthy]
        var request = ClientScript.get(at: .milliseconds(3200))
        request.service = 1
        let chat = ClientScript.chat(.init(up: 40, down: 40, pause: .seconds(1)))
        var scenario = Scenario(services: [first, second], clients: [chat, request])
        scenario.asksAgain = false
        return scenario
    }

    @Test("a requirement that never listens again is requested again after its startup timeout")
    func listenerLostForever() throws {
        let simulation = try expectSecondLife(in: listenerLost)
        #expect(simulation.complaints.allSatisfy { !$0.contains("lease") })
    }

    @Test("a requirement that is restarted while it does not listen keeps its dependents' leases")
    func restartedWithoutListener() throws {
        var scenario = listenerLost
        scenario.operations = [(.milliseconds(3400), 1, .restart)]
        let simulation = try expectSecondLife(in: scenario)
        #expect(simulation.complaints == [])
    }

    private func expectSecondLife(in scenario: Scenario) throws -> Simulation {
        let simulation = try Simulation.run(scenario)
        #expect(simulation.outcomes(of: 0) == [.chatted])
        #expect(simulation.kernel.logged(.listenerLost).count == 1)
        let lives = simulation.lives
        #expect(lives.filter { $0 == "started s1" }.count == 2)
        let (idle, required) = (lives.firstIndex(of: "idle s0"), lives.firstIndex(of: "idle s1"))
        #expect(try #require(idle) < (try #require(required)), "\(lives)")
        return simulation
    }
}

// MARK: - Commands of an operator

extension SimulationDependencyTests {
    /// The service s0, always on, requires s1, which an operator disables and enables.
    private func disabledForAWhile(_ clients: [ClientScript] = []) -> Scenario {
        var first = Scenario.Service()
        first.policy.requires = ["s1"]
        first.policy.alwaysOn = true
        first.children = [ChildScript(exitsAfter: .seconds(3)), .healthy]
        var scenario = Scenario(services: [first, .init()], clients: clients)
        scenario.operations = [(.seconds(1), 1, .disable), (.seconds(60), 1, .enable)]
        scenario.asksAgain = false
        return scenario
    }

    @Test("an always-on service whose dependency is disabled starts when an operator enables it, without a timer")
    func waitsForOperator() throws {
        let simulation = try Simulation.run(disabledForAWhile())
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0 == "started s0" }.count == 2)
        let failures = simulation.kernel.logged(.startFailed)
        #expect(failures.count == 1 && failures[0].contains("requires s1, which is disabled"), "\(failures)")
        #expect(simulation.kernel.logged(.backoff).isEmpty)
        #expect(simulation.kernel.logged(.ready).last?.contains("08:01:01") == true)
    }

    @Test("a request gets a reason and a Retry-After while the dependency is disabled")
    func toldMeanwhile() throws {
        let simulation = try Simulation.run(disabledForAWhile([.get(at: .seconds(20)), .get(at: .seconds(61))]))
        #expect(simulation.complaints == [])
        let exchange = simulation.clients[0].exchanges[0]
        #expect(exchange.outcome == .answered(503) && exchange.retryAfter == "5")
        #expect(String(decoding: exchange.body, as: UTF8.self).contains("requires s1, which is disabled"))
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }

    @Test("an always-on service waits for an indirect dependency that is disabled")
    func chainOfOperators() throws {
        var scenario = disabledForAWhile()
        scenario.services[0].policy.requires = ["s2"]
        scenario.services.append(.init())
        scenario.services[2].policy.requires = ["s1"]
        scenario.services[2].children = [ChildScript(exitsAfter: .seconds(2)), .healthy]
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.lives.filter { $0 == "started s0" }.count == 2)
        #expect(simulation.kernel.logged(.backoff).isEmpty)
    }

    @Test("a start operation fails at once, with the reason, while a dependency is disabled")
    func orderedMeanwhile() throws {
        var scenario = disabledForAWhile()
        scenario.services[0].policy.alwaysOn = false
        scenario.operations.insert((.seconds(30), 0, .start), at: 1)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.operators[1].text.contains("s0 did not start: requires s1, which is disabled"))
    }
}

extension Simulation {
    /// The steps of all generations, in the order of the log: `started p0`, `ready p0` ...
    fileprivate var lives: [String] {
        let steps: [LogEvent] = [.started, .ready, .idle, .stopping, .stopped, .crashed]
        return kernel.logLines.compactMap { line in
            let words = String(decoding: line, as: UTF8.self).split { " \n".contains($0) }
            guard let step = steps.first(where: { words.contains(Substring($0.rawValue)) }),
                let service = words.first(where: { $0.hasPrefix("service=") })
            else { return nil }
            return "\(step.rawValue) \(service.dropFirst("service=".count))"
        }
    }
}
