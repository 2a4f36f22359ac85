import Testing

@testable import OnDemand

/// Each call that may fail, with each errno that other programs can cause.
@Suite("Simulation: errnos of failing calls")
struct SimulationErrnoTests {
    /// The numbers of the first call of each verb that may fail in this scenario.
    private func firstCalls(of scenario: Scenario) throws -> [(verb: String, number: Int)] {
        var found: [(verb: String, number: Int)] = []
        for number in 1...200 {
            var scenario = scenario
            scenario.failingCall = number
            guard let verb = try Simulation.run(scenario).kernel.failedVerb else { break }
            if !found.contains(where: { $0.verb == verb }) { found.append((verb, number)) }
        }
        return found
    }

    @Test("the daemon continues after a failed call, whatever the errno, and recovers completely")
    func everyErrno() throws {
        var scenario = Scenario(clients: [.get(), .chat(.init(up: 2, down: 2))])
        scenario.logLevel = .error
        let calls = try firstCalls(of: scenario)
        #expect(calls.contains { $0.verb == "accept" } && calls.contains { $0.verb == "connect" })
        for (verb, number) in calls {
            for code: Int32 in 1...133 where ![9, 14, 88].contains(code) {
                scenario.failingCall = number
                scenario.failingErrno = Errno(number: code)
                let simulation = try Simulation.run(scenario)
                guard simulation.complaints.isEmpty else {
                    Issue.record("\(verb) fails with \(code): \(simulation.complaints)")
                    return
                }
            }
        }
    }

    @Test(
        "a connect that fails for want of ports, watches or memory gets 503, not 502",
        arguments: [Errno.addressNotAvailable, .noSpace, .outOfMemory, .noBufferSpace, .tooManyFiles])
    func exhaustion(code: Errno) throws {
        var hasRefused = false
        for number in 1...80 {
            var scenario = Scenario(clients: [.get()])
            scenario.failingCall = number
            scenario.failingErrno = code
            let simulation = try Simulation.run(scenario)
            guard simulation.kernel.failedVerb == "connect" else { continue }
            #expect(simulation.complaints == [])
            let outcomes = simulation.outcomes(of: 0)
            #expect(outcomes == [.answered(503)] || outcomes == [.answered(200)], "\(outcomes)")
            if outcomes == [.answered(503)] { hasRefused = true }
        }
        // A descriptor becomes free when an idle connection is closed.
        #expect(hasRefused || code == .tooManyFiles)
    }

    @Test("a listener that is shut down from outside is reopened while tunnels and backends continue")
    func shutDownListener() throws {
        var chat = ClientScript.chat(.init(up: 20, down: 20, pause: .milliseconds(100)))
        chat.lingers = .zero
        let late = ClientScript.get(at: .seconds(3))
        let simulation = Simulation(Scenario(clients: [chat, late]))
        simulation.kernel.scenario(after: .seconds(1)) {
            simulation.kernel.listeners[Scenario.publicAddress]?.shutDown()
        }
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 0) == [.chatted] && simulation.outcomes(of: 1) == [.answered(200)])
        let lost = simulation.kernel.logged(.listenerClosed)
        #expect(lost.count == 1 && lost[0].contains("is opened again"), "\(lost)")
        #expect(simulation.kernel.logged(.crashed).isEmpty && simulation.kernel.logged(.systemError).isEmpty)
    }

    @Test("reopening a lost listener backs off while another program has its address")
    func takenAddress() throws {
        let simulation = Simulation(Scenario(clients: [.get(at: .milliseconds(10)), .get(at: .seconds(40))]))
        let kernel = simulation.kernel
        let other = SimulatedListener(address: Scenario.publicAddress, isForeign: true)
        kernel.scenario(after: .seconds(1)) { kernel.listeners[Scenario.publicAddress]?.shutDown() }
        kernel.scenario(after: .milliseconds(1050)) { kernel.listeners[Scenario.publicAddress] = other }
        kernel.scenario(after: .seconds(15)) { kernel.listeners[Scenario.publicAddress] = nil }
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(simulation.outcomes(of: 1) == [.answered(200)])
        #expect(kernel.logged(.systemError).count == 1, "told once")
        #expect(kernel.logged(.listening).filter { $0.contains("for=clients") }.count == 2)
    }
}
