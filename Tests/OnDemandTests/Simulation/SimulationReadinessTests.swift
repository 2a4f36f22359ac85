import Testing

@testable import OnDemand

/// When a backend counts as ready; the numbers are those of the list of traps.
@Suite("Simulation: readiness")
struct SimulationReadinessTests {
    static let asking: [ReadinessCheck] = [
        .http(path: BackendConversation.probePath, status: .success), .webSocket(path: BackendConversation.probePath),
    ]

    private func service(_ check: ReadinessCheck, _ children: ChildScript...) -> Scenario.Service {
        var service = Scenario.Service()
        service.policy.readiness = check
        service.children = children
        return service
    }

    @Test("S4 a backend that accepts before it can respond gets no client until then", arguments: asking)
    func acceptsTooEarly(check: ReadinessCheck) throws {
        let service = service(check, ChildScript(listensAfter: .milliseconds(10), isUpAfter: .milliseconds(300)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(300) && wait < .milliseconds(320))
    }

    @Test("S4 a 404 is ready when any status is accepted")
    func healthyNotFound() throws {
        // This backend responds 400 to an unknown path.
        let service = service(.http(path: "/unknown", status: .any), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test("a start whose probes get wrong responses times out, and the log contains the last response")
    func neverRight() throws {
        for (check, words) in zip(Self.asking, ["it answered 503", "it answered 503 instead of 101"]) {
            let service = service(check, ChildScript(isUpAfter: .seconds(3600)), .healthy)
            let simulation = try Simulation.run(
                Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
            #expect(simulation.complaints == [])
            #expect(simulation.outcomes(of: 0) == [.answered(503)])
            #expect(simulation.outcomes(of: 1) == [.answered(200)])
            let failed = try #require(simulation.kernel.logged(.startFailed).first)
            #expect(failed.contains("start_timed_out") && failed.contains(words), "\(failed)")
        }
    }

    @Test("S2 a pending probe ends with its process", arguments: asking)
    func hangingAnswer(check: ReadinessCheck) throws {
        let script = ChildScript(listensAfter: .milliseconds(5), exitsAfter: .milliseconds(60), manners: .silent)
        let simulation = try Simulation.run(Scenario(services: [service(check, script, .healthy)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(70))
        #expect(simulation.kernel.logged(.startFailed).first?.contains("exited_early") == true)
    }

    @Test("S3 a pending probe delays no other service", arguments: asking)
    func hangingStallsNobody(check: ReadinessCheck) throws {
        var other = ClientScript.get(at: .milliseconds(100))
        other.service = 1
        let slow = service(check, ChildScript(listensAfter: .zero, manners: .silent))
        let simulation = try Simulation.run(Scenario(services: [slow, Scenario.Service()], clients: [.get(), other]))
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(40))
    }

    @Test("S1 a foreign listener that takes the address after the check gets no probe", arguments: everyCheck)
    func foreignListenerBetween(check: ReadinessCheck) throws {
        var service = service(check, ChildScript(listensAfter: .milliseconds(100)))
        service.foreignListener = (.milliseconds(10), .seconds(20))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(!simulation.kernel.logged(.addressConflict).isEmpty)
    }

    // MARK: Lookups and connect probes

    private static let everyCheck: [ReadinessCheck] = asking + [.tcp]

    @Test(
        "a backend that is ready within milliseconds is found within a fraction of a millisecond", arguments: everyCheck
    )
    func foundByLook(check: ReadinessCheck) throws {
        let atOnce = Scenario(services: [service(check, ChildScript(listensAfter: .zero))], clients: [.get()])
        let leastWait = try #require(Simulation.run(atOnce).wait(of: 0))
        for milliseconds in [1, 7, 30] {
            let service = service(check, ChildScript(listensAfter: .milliseconds(milliseconds)))
            let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
            #expect(simulation.complaints == [])
            #expect(simulation.outcomes(of: 0) == [.answered(200)])
            let wait = try #require(simulation.wait(of: 0))
            // The transit time of the simulation varies a little between runs.
            #expect(wait < leastWait + .milliseconds(milliseconds) + .microseconds(1500), "\(wait)")
        }
    }

    @Test("a backend that prints when it listens is found at once, however long its startup", arguments: everyCheck)
    func foundByItsOutput(check: ReadinessCheck) throws {
        let atOnce = Scenario(services: [service(check, ChildScript(listensAfter: .zero))], clients: [.get()])
        let leastWait = try #require(Simulation.run(atOnce).wait(of: 0))
        // Between two probes, at whatever times they are.
        for milliseconds in [2000, 2015, 2030, 2045] {
            let startup: Duration = .milliseconds(milliseconds)
            var script = ChildScript(listensAfter: startup)
            script.output = [.init(after: startup + .microseconds(100), bytes: Array("Listening\n".utf8))]
            let simulation = try Simulation.run(Scenario(services: [service(check, script)], clients: [.get()]))
            #expect(simulation.complaints == [])
            #expect(try #require(simulation.wait(of: 0)) < leastWait + startup + .milliseconds(2))
        }
    }

    @Test("a backend with accept readiness gets no connection before its first client")
    func notKnockedAt() throws {
        let service = service(.tcp, ChildScript(listensAfter: .milliseconds(5)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]), verbosely: true)
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        // One connect before the start, which checks the address, and the client's.
        #expect(simulation.kernel.trace.lines.filter { $0.contains(" connect ") }.count == 2)
    }

    @Test("connect probes find a listener when socket lookups are unsupported", arguments: everyCheck)
    func silentLooks(check: ReadinessCheck) throws {
        var scenario = Scenario(
            services: [service(check, ChildScript(listensAfter: .milliseconds(30)))], clients: [.get()])
        scenario.faults.silentLooks = 100
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(36))
    }

    @Test(
        "a connect probe finds a listener that lookups cannot see, at most half a startup time later",
        arguments: everyCheck)
    func missedLooks(check: ReadinessCheck) throws {
        var scenario = Scenario(
            services: [service(check, ChildScript(listensAfter: .milliseconds(400)))], clients: [.get()])
        scenario.faults.missedLooks = 100
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(605))
    }

    @Test("S1 a foreign listener that only a connect probe finds gets no client", arguments: everyCheck)
    func hiddenForeignListener(check: ReadinessCheck) throws {
        for (silent, missed) in [(100, 0), (0, 100)] {
            var service = service(check, ChildScript(listensAfter: .milliseconds(400)))
            service.foreignListener = (.milliseconds(10), .seconds(20))
            var scenario = Scenario(services: [service], clients: [.get()])
            (scenario.faults.silentLooks, scenario.faults.missedLooks) = (silent, missed)
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [])
            #expect(simulation.outcomes(of: 0) == [.answered(503)])
            #expect(simulation.kernel.logged(.addressConflict).count == 1, "told once")
        }
    }

    // MARK: Notify messages

    @Test("S4 a backend with notify readiness gets its first client after READY=1, and not when it accepts")
    func itsOwnWord() throws {
        let script = ChildScript(listensAfter: .milliseconds(10), notifiesAfter: .milliseconds(300))
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(300) && wait < .milliseconds(305))
    }

    @Test("a flood of notify messages from another user costs one process tree check, and none after readiness")
    func floodOfWords() throws {
        let script = ChildScript(listensAfter: .milliseconds(20), notifiesAfter: .milliseconds(500))
        let simulation = Simulation(Scenario(services: [service(.notify, script)], clients: [.get()]))
        let kernel = simulation.kernel
        func flood(_ sender: Int32) {
            for socket in kernel.notifySockets.values {
                for _ in 0..<1000 { socket.messages.append((text: "READY=1", sender: sender)) }
            }
        }
        var before = 0
        kernel.scenario(after: .milliseconds(100)) { flood(9999) }
        kernel.scenario(after: .seconds(2)) {
            before = kernel.treeQuestions
            flood(9998)
        }
        try simulation.run()
        #expect(simulation.complaints == [] && simulation.outcomes(of: 0) == [.answered(200)])
        #expect((1...2).contains(before), "\(before): the foreign process once, and possibly the backend")
        #expect(kernel.treeQuestions == before)
    }

    @Test("a backend that sends READY=1 too early gets its first client when it accepts")
    func earlyWord() throws {
        let script = ChildScript(listensAfter: .milliseconds(200), notifiesAfter: .milliseconds(10))
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test("READY=1 from a foreign process is ignored and logged once")
    func foreignMessage() throws {
        var script = ChildScript(listensAfter: .milliseconds(5), notifiesAfter: .milliseconds(300))
        script.foreignMessage = (.milliseconds(20), "READY=1")
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.wait(of: 0)) > .milliseconds(300))
        #expect(simulation.kernel.logged(.addressConflict).count == 1)
    }

    @Test("S6 a backend that never sends READY=1 is stopped at its timeout, and a second start follows")
    func neverSaysSo() throws {
        let service = service(.notify, ChildScript(notifiesAfter: nil), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.logged(.startFailed).first?.contains("send READY=1") == true)
    }

    // MARK: An inherited socket

    @Test("a backend with an inherited socket gets its first client as soon as it accepts")
    func inheritedSocket() throws {
        let service = service(.socket, ChildScript(listensAfter: .milliseconds(500)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(500) && wait < .milliseconds(503), "nothing is asked twice")
    }

    @Test("S2 an exit before the first accept fails the queued requests at once, with growing backoff")
    func endsBeforeItTakes() throws {
        var service = service(.socket, ChildScript(exitsAfter: .milliseconds(40), accepts: false))
        service.policy.startupTimeout = .seconds(30)
        let clients = [ClientScript.get(), .get(at: .seconds(3)), .get(at: .milliseconds(3500))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        for client in 0...2 { #expect(simulation.outcomes(of: client) == [.answered(503)]) }
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(50))
        let failures = simulation.kernel.logged(.startFailed)
        #expect(failures.count == 3 && failures.allSatisfy { $0.contains("exited_early") }, "the third waited for it")
    }

    @Test("S6 a backend that never accepts from its inherited socket is stopped at its timeout")
    func neverTakes() throws {
        let service = service(.socket, ChildScript(accepts: false), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(2010))
    }

    // MARK: Ports

    @Test("each start has its own port, and clients reach it", arguments: asking + [.tcp, .notify, .socket])
    func picksPort(check: ReadinessCheck) throws {
        var service = service(check, ChildScript(exitsAfter: .seconds(1)), .healthy)
        service.picksPort = true
        let clients = [ClientScript.get(), .get(at: .milliseconds(500)), .get(at: .seconds(4)), .chat(at: .seconds(4))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        for client in 0...2 { #expect(simulation.outcomes(of: client) == [.answered(200)]) }
        #expect(simulation.kernel.children.addresses[0].port.map { $0 >= 40_000 } == true)
    }

    @Test("S1 a picked port that a foreign process takes fails the start, and the next start has another")
    func foreignListenerOnPickedPort() throws {
        var service = service(.tcp, ChildScript(listensAfter: .milliseconds(50)), .healthy)
        service.picksPort = true
        var scenario = Scenario(services: [service], clients: [.get(), .get(at: .seconds(3))])
        scenario.takesPickedPort = .milliseconds(20)
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
    }
}
