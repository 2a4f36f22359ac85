import Testing

@testable import OnDemand

@Suite struct PendingCommandTests {
    private let first = Generation(number: 1)

    private func verdict(_ command: BackendCommand, on machine: BackendMachine) -> PendingCommand.Verdict? {
        PendingCommand(ticket: Ticket(number: 9), command: command, found: first).verdict(on: machine)
    }

    @Test("a start command ends when the backend is ready, has failed, or is stopped by another command")
    func start() {
        for command in [BackendCommand.start, .pin] {
            #expect(verdict(command, on: BackendFixtures.checking()) == nil)
            #expect(verdict(command, on: BackendFixtures.probing()) == nil)
            #expect(verdict(command, on: BackendFixtures.awake()) == .isReady)
            #expect(verdict(command, on: BackendFixtures.probing().after(.timerFired(.startup))) == .hasFailed)
            #expect(verdict(command, on: BackendFixtures.backoff()) == .hasFailed)
            #expect(verdict(command, on: BackendFixtures.checking().after(.command(.stop))) == .wasStopped)
            #expect(verdict(command, on: BackendFixtures.awake().after(.command(.stop))) == .wasStopped)
            let missed = BackendFixtures.awaiting().after(
                .dependencyRefused("redis", .disabled, retryAfter: .seconds(5)))
            #expect(verdict(command, on: missed) == .hasFailed)
            #expect(verdict(command, on: BackendFixtures.leaving()) == .daemonLeaves)
            #expect(verdict(command, on: BackendFixtures.shuttingDown()) == .daemonLeaves)
        }
    }

    @Test("a start command that waits for a stop is pending")
    func startDuringStop() {
        #expect(verdict(.start, on: BackendFixtures.stopping().after(.command(.start))) == nil)
        #expect(verdict(.start, on: BackendFixtures.failing().after(.command(.start))) == nil)
    }

    @Test("a restart command is pending until the next generation is ready")
    func restart() {
        var machine = BackendFixtures.awake()
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.command(.restart))
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.exited(.status(0)), .treeGone, .addressFree, .spawned)
        #expect(verdict(.restart, on: machine) == nil)
        #expect(verdict(.restart, on: machine.after(.probeSucceeded)) == .isReady)
    }

    @Test("a stop command ends when no process is left, or the next start has begun")
    func stop() {
        for command in [BackendCommand.stop, .disable] {
            let stopping = BackendFixtures.awake().after(.command(command))
            #expect(verdict(command, on: stopping) == nil)
            #expect(verdict(command, on: stopping.after(.exited(.status(0)), .treeGone)) == .hasEnded)
            #expect(verdict(command, on: stopping.after(.shutdownRequested)) == .daemonLeaves)
        }
        let held = BackendFixtures.awake().after(
            .command(.stop), .wanted(Ticket(number: 2)), .exited(.status(0)), .treeGone)
        #expect(verdict(.stop, on: held) == .hasEnded)
    }

    @Test("a command without a transition ends at once")
    func atOnce() {
        for command in [BackendCommand.unpin, .enable] {
            #expect(verdict(command, on: BackendFixtures.stopping()) == .isNoted)
        }
    }
}
