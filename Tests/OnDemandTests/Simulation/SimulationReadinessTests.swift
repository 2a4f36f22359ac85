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

    @Test("S4 who accepts before it can answer gets no client before it can", arguments: asking)
    func acceptsTooEarly(check: ReadinessCheck) throws {
        let service = service(check, ChildScript(listensAfter: .milliseconds(10), isUpAfter: .milliseconds(300)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(300) && wait < .milliseconds(320))
    }

    @Test("S4 a healthy 404 is ready, because an answer is an answer")
    func healthyNotFound() throws {
        // This backend answers 400 to a path that it does not know.
        let service = service(.http(path: "/unknown", status: .any), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test("an answer that is never the right one is a start that took too long, and the log says what it was")
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

    @Test("S2 an answer that never comes is not waited for beyond the process", arguments: asking)
    func hangingAnswer(check: ReadinessCheck) throws {
        let script = ChildScript(listensAfter: .milliseconds(5), exitsAfter: .milliseconds(60), manners: .silent)
        let simulation = try Simulation.run(Scenario(services: [service(check, script, .healthy)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(70))
        #expect(simulation.kernel.logged(.startFailed).first?.contains("exited_early") == true)
    }

    @Test("S3 a probe whose answer hangs stalls nobody else", arguments: asking)
    func hangingStallsNobody(check: ReadinessCheck) throws {
        var other = ClientScript.get(at: .milliseconds(100))
        other.service = 1
        let slow = service(check, ChildScript(listensAfter: .zero, manners: .silent))
        let simulation = try Simulation.run(Scenario(services: [slow, Scenario.Service()], clients: [.get(), other]))
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.wait(of: 1)) < .milliseconds(40))
    }

    @Test("S1 a stranger that takes the address after the check is not even asked", arguments: everyCheck)
    func strangerInBetween(check: ReadinessCheck) throws {
        var service = service(check, ChildScript(listensAfter: .milliseconds(100)))
        service.stranger = (.milliseconds(10), .seconds(20))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(!simulation.kernel.logged(.addressConflict).isEmpty)
    }

    // MARK: Looking and knocking

    private static let everyCheck: [ReadinessCheck] = asking + [.tcp]

    @Test("a backend that is ready after a moment is found within a fraction of a millisecond", arguments: everyCheck)
    func foundByLook(check: ReadinessCheck) throws {
        let atOnce = Scenario(services: [service(check, ChildScript(listensAfter: .zero))], clients: [.get()])
        let leastWait = try #require(Simulation.run(atOnce).wait(of: 0))
        for milliseconds in [1, 7, 30] {
            let service = service(check, ChildScript(listensAfter: .milliseconds(milliseconds)))
            let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]))
            #expect(simulation.complaints == [])
            #expect(simulation.outcomes(of: 0) == [.answered(200)])
            let wait = try #require(simulation.wait(of: 0))
            // What the wire of the simulation takes differs from run to run by a little.
            #expect(wait < leastWait + .milliseconds(milliseconds) + .microseconds(1500), "\(wait)")
        }
    }

    @Test("who prints something when it listens is found at once, however long it has taken", arguments: everyCheck)
    func foundByItsOutput(check: ReadinessCheck) throws {
        let atOnce = Scenario(services: [service(check, ChildScript(listensAfter: .zero))], clients: [.get()])
        let leastWait = try #require(Simulation.run(atOnce).wait(of: 0))
        // Between two of its probes, wherever they are.
        for milliseconds in [2000, 2015, 2030, 2045] {
            let startup: Duration = .milliseconds(milliseconds)
            var script = ChildScript(listensAfter: startup)
            script.output = [.init(after: startup + .microseconds(100), bytes: Array("Listening\n".utf8))]
            let simulation = try Simulation.run(Scenario(services: [service(check, script)], clients: [.get()]))
            #expect(simulation.complaints == [])
            #expect(try #require(simulation.wait(of: 0)) < leastWait + startup + .milliseconds(2))
        }
    }

    @Test("who is ready by accepting connections is not even connected to before its first client")
    func notKnockedAt() throws {
        let service = service(.tcp, ChildScript(listensAfter: .milliseconds(5)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get()]), verbosely: true)
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        // One before the start, whether the address is free, and the client's.
        #expect(simulation.kernel.trace.lines.filter { $0.contains(" connect ") }.count == 2)
    }

    @Test("where the system tells nothing, knocks do", arguments: everyCheck)
    func silentLooks(check: ReadinessCheck) throws {
        var scenario = Scenario(
            services: [service(check, ChildScript(listensAfter: .milliseconds(30)))], clients: [.get()])
        scenario.faults.silentLooks = 100
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(36))
    }

    @Test("who is hidden from every look is found by a knock, half of its boot later at most", arguments: everyCheck)
    func missedLooks(check: ReadinessCheck) throws {
        var scenario = Scenario(
            services: [service(check, ChildScript(listensAfter: .milliseconds(400)))], clients: [.get()])
        scenario.faults.missedLooks = 100
        let simulation = try Simulation.run(scenario)
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(605))
    }

    @Test("S1 a stranger whom only a knock finds gets no client either", arguments: everyCheck)
    func hiddenStranger(check: ReadinessCheck) throws {
        for (silent, missed) in [(100, 0), (0, 100)] {
            var service = service(check, ChildScript(listensAfter: .milliseconds(400)))
            service.stranger = (.milliseconds(10), .seconds(20))
            var scenario = Scenario(services: [service], clients: [.get()])
            (scenario.faults.silentLooks, scenario.faults.missedLooks) = (silent, missed)
            let simulation = try Simulation.run(scenario)
            #expect(simulation.complaints == [])
            #expect(simulation.outcomes(of: 0) == [.answered(503)])
            #expect(simulation.kernel.logged(.addressConflict).count == 1, "told once")
        }
    }

    // MARK: Its own word

    @Test("S4 who says when it is ready gets its first client then, and not when it accepts")
    func itsOwnWord() throws {
        let script = ChildScript(listensAfter: .milliseconds(10), notifiesAfter: .milliseconds(300))
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(300) && wait < .milliseconds(305))
    }

    @Test("a flood of words from another user costs one look at the family, and none once the answer no longer counts")
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
            before = kernel.familyQuestions
            flood(9998)
        }
        try simulation.run()
        #expect(simulation.complaints == [] && simulation.outcomes(of: 0) == [.answered(200)])
        #expect((1...2).contains(before), "\(before): the stranger once, and the backend perhaps")
        #expect(kernel.familyQuestions == before)
    }

    @Test("whose word comes too early gets its first client when it accepts")
    func earlyWord() throws {
        let script = ChildScript(listensAfter: .milliseconds(200), notifiesAfter: .milliseconds(10))
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test("a stranger's READY=1 counts for nothing, and is told once")
    func strangersWord() throws {
        var script = ChildScript(listensAfter: .milliseconds(5), notifiesAfter: .milliseconds(300))
        script.strangersWord = (.milliseconds(20), "READY=1")
        let simulation = try Simulation.run(Scenario(services: [service(.notify, script)], clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(try #require(simulation.wait(of: 0)) > .milliseconds(300))
        #expect(simulation.kernel.logged(.addressConflict).count == 1)
    }

    @Test("S6 who never says it is ready is ended at its limit, and the next one is given its chance")
    func neverSaysSo() throws {
        let service = service(.notify, ChildScript(notifiesAfter: nil), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(simulation.kernel.logged(.startFailed).first?.contains("say READY=1") == true)
    }

    // MARK: An inherited socket

    @Test("who inherits the socket gets its first client as soon as it takes connections")
    func inheritedSocket() throws {
        let service = service(.socket, ChildScript(listensAfter: .milliseconds(500)))
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .chat()]))
        #expect(simulation.complaints == [])
        let wait = try #require(simulation.wait(of: 0))
        #expect(wait > .milliseconds(500) && wait < .milliseconds(503), "nothing is asked twice")
    }

    @Test("S2 who ends before it has taken anything fails its waiters at once, again and again with longer rests")
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

    @Test("S6 who inherits the socket and never takes a connection is ended at its limit")
    func neverTakes() throws {
        let service = service(.socket, ChildScript(accepts: false), .healthy)
        let simulation = try Simulation.run(Scenario(services: [service], clients: [.get(), .get(at: .seconds(8))]))
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.answered(503)])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(try #require(simulation.wait(of: 0)) < .milliseconds(2010))
    }

    // MARK: Ports

    @Test("each start has a port of its own, and clients find it", arguments: asking + [.tcp, .notify, .socket])
    func picksPort(check: ReadinessCheck) throws {
        var service = service(check, ChildScript(exitsAfter: .seconds(1)), .healthy)
        service.picksPort = true
        let clients = [ClientScript.get(), .get(at: .milliseconds(500)), .get(at: .seconds(4)), .chat(at: .seconds(4))]
        let simulation = try Simulation.run(Scenario(services: [service], clients: clients))
        #expect(simulation.complaints == [])
        for client in 0...2 { #expect(simulation.outcomes(of: client) == [.answered(200)]) }
        #expect(simulation.kernel.children.addresses[0].port.map { $0 >= 40_000 } == true)
    }

    @Test("S1 a port that a stranger takes before it is bound is a failed start, and the next start has another")
    func strangerOnThePickedPort() throws {
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
