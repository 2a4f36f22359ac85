import Testing

@testable import OnDemand

/// The log lines and failures of events, from the states around them.
struct BackendTransitionTests {
    private static let address = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)

    private func child(readyAt: Instant? = nil, exit: Exit? = nil) -> SupervisedBackend.Child {
        var child = SupervisedBackend.Child(process: ProcessID(number: 42), spawnedAt: noon)
        child.readyAt = readyAt
        child.exit = exit
        return child
    }

    private func transition(
        _ event: BackendMachine.Event, from before: BackendState, to machine: BackendMachine,
        _ child: SupervisedBackend.Child? = nil, port: UInt16? = nil, lastProbe: String? = nil
    ) -> BackendTransition {
        var launch = LaunchCommand(command: "puma", arguments: ["-p", "{port}"])
        launch.isToldItsPort = port != nil
        return BackendTransition(
            event: event, before: before, machine: machine, name: "web", address: Self.address, launch: launch,
            port: port, child: child, openLeases: 3, lastProbe: lastProbe, now: noon + .milliseconds(1500))
    }

    @Test("a start is logged with its pid and the command with its port")
    func started() throws {
        let line = try #require(
            transition(.spawned, from: .starting, to: BackendFixtures.probing(), child(), port: 3000).eventLine)
        #expect(line.event == .started)
        #expect(line.fields.contains(LogField("pid", 42)) && line.fields.contains(LogField("command", "puma -p 3000")))
        #expect(line.fields.prefix(2) == [LogField("service", "web"), LogField("generation", 1)])
    }

    @Test("a change of the state has one line, and an event without a change has none")
    func states() {
        func line(_ before: BackendState, _ machine: BackendMachine) -> BackendTransition.Line? {
            transition(.probeSucceeded, from: before, to: machine, child()).stateLine
        }
        let awake = BackendFixtures.awake()
        #expect(line(.starting, awake)?.event == .ready)
        #expect(line(.starting, awake)?.fields.contains(LogField("startup_ms", 1500)) == true)
        #expect(line(.awake, awake) == nil)
        #expect(line(.awake, BackendFixtures.stopping())?.event == .stopping)
        #expect(line(.awake, BackendFixtures.probing())?.event == .listenerLost)
        #expect(line(.asleep, BackendFixtures.probing()) == nil)
        #expect(line(.starting, BackendFixtures.backoff())?.event == .backoff)
        #expect(line(.stopping, BackendFixtures.asleep()) == nil)
    }

    @Test("the exit of a process is a failed start, a crash, or the end that was asked for")
    func exits() {
        func failure(
            _ exit: Exit, from before: BackendState, _ child: SupervisedBackend.Child, restarts: Bool = true
        ) -> BackendFailure? {
            var policy = BackendFixtures.policy
            policy.restarts = restarts
            return transition(.exited(exit), from: before, to: BackendFixtures.asleep(policy), child).failure
        }
        let early = failure(.status(1), from: .starting, child())
        #expect(early?.kind == .start(.exitedEarly(.status(1))) && early?.question == .exit(.status(1)))
        let lostListener = failure(.status(1), from: .starting, child(readyAt: noon))
        #expect(lostListener?.kind == .crash(.status(1)))
        #expect(failure(.status(0), from: .awake, child())?.kind == .crash(.status(0)))
        #expect(failure(.status(0), from: .awake, child(), restarts: false) == nil)
        #expect(failure(.signal(15), from: .stopping, child()) == nil)
    }

    @Test("a failed start names the address, the requirement and the last probe")
    func failedStarts() {
        let taken = transition(.addressTaken, from: .starting, to: BackendFixtures.backoff()).failure
        #expect(taken?.detail == "another process accepts connections on 127.0.0.1:3000")
        let late = transition(
            .timerFired(.startup), from: .starting, to: BackendFixtures.backoff(), child(), lastProbe: "status 503"
        ).failure
        #expect(late?.detail.contains("within 30s; last probe: status 503") == true && late?.question == .listener)
        let refused = BackendMachine.Event.dependencyRefused("redis", .disabled, retryAfter: .seconds(1))
        #expect(transition(refused, from: .awake, to: BackendFixtures.awake()).failure == nil)
        #expect(transition(refused, from: .starting, to: BackendFixtures.backoff()).failure?.question == nil)
    }
}
