import Testing

@testable import OnDemand

@Suite struct PendingOperationTests {
    private let first = Generation(number: 1)

    private func verdict(_ operation: BackendOperation, on machine: BackendMachine) -> PendingOperation.Verdict? {
        PendingOperation(ticket: Ticket(number: 9), operation: operation, found: first).verdict(on: machine)
    }

    @Test("a start operation ends when the backend is ready, has failed, or is stopped by another operation")
    func start() {
        for operation in [BackendOperation.start, .pin] {
            #expect(verdict(operation, on: BackendFixtures.checking()) == nil)
            #expect(verdict(operation, on: BackendFixtures.probing()) == nil)
            #expect(verdict(operation, on: BackendFixtures.awake()) == .isReady)
            #expect(verdict(operation, on: BackendFixtures.probing().after(.timerFired(.startup))) == .hasFailed)
            #expect(verdict(operation, on: BackendFixtures.backoff()) == .hasFailed)
            #expect(verdict(operation, on: BackendFixtures.checking().after(.operation(.stop))) == .wasStopped)
            #expect(verdict(operation, on: BackendFixtures.awake().after(.operation(.stop))) == .wasStopped)
            let missed = BackendFixtures.awaiting().after(
                .dependencyRefused("redis", .disabled, retryAfter: .seconds(5)))
            #expect(verdict(operation, on: missed) == .hasFailed)
            #expect(verdict(operation, on: BackendFixtures.leaving()) == .daemonLeaves)
            #expect(verdict(operation, on: BackendFixtures.shuttingDown()) == .daemonLeaves)
        }
    }

    @Test("a start operation that waits for a stop is pending")
    func startDuringStop() {
        #expect(verdict(.start, on: BackendFixtures.stopping().after(.operation(.start))) == nil)
        #expect(verdict(.start, on: BackendFixtures.failing().after(.operation(.start))) == nil)
    }

    @Test("a restart operation is pending until the next generation is ready")
    func restart() {
        var machine = BackendFixtures.awake()
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.operation(.restart))
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.exited(.status(0)), .treeGone, .addressFree, .spawned)
        #expect(verdict(.restart, on: machine) == nil)
        #expect(verdict(.restart, on: machine.after(.probeSucceeded)) == .isReady)
    }

    @Test("a stop operation ends when no process is left, or the next start has begun")
    func stop() {
        for operation in [BackendOperation.stop, .disable] {
            let stopping = BackendFixtures.awake().after(.operation(operation))
            #expect(verdict(operation, on: stopping) == nil)
            #expect(verdict(operation, on: stopping.after(.exited(.status(0)), .treeGone)) == .hasEnded)
            #expect(verdict(operation, on: stopping.after(.shutdownRequested)) == .daemonLeaves)
        }
        let held = BackendFixtures.awake().after(
            .operation(.stop), .wanted(Ticket(number: 2)), .exited(.status(0)), .treeGone)
        #expect(verdict(.stop, on: held) == .hasEnded)
    }

    @Test("an operation without a transition ends at once")
    func atOnce() {
        for operation in [BackendOperation.unpin, .enable] {
            #expect(verdict(operation, on: BackendFixtures.stopping()) == .isNoted)
        }
    }
}
