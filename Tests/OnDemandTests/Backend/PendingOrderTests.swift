import Testing

@testable import OnDemand

@Suite struct PendingOrderTests {
    private let first = Generation(number: 1)

    private func verdict(_ order: BackendOrder, on machine: BackendMachine) -> PendingOrder.Verdict? {
        PendingOrder(ticket: Ticket(number: 9), order: order, found: first).verdict(on: machine)
    }

    @Test("a start is over when it is ready, when it has failed, or when somebody stops it")
    func start() {
        for order in [BackendOrder.start, .pin] {
            #expect(verdict(order, on: Lives.checking()) == nil)
            #expect(verdict(order, on: Lives.probing()) == nil)
            #expect(verdict(order, on: Lives.ready()) == .isReady)
            #expect(verdict(order, on: Lives.probing().after(.timerFired(.startup))) == .hasFailed)
            #expect(verdict(order, on: Lives.coolingDown()) == .hasFailed)
            #expect(verdict(order, on: Lives.checking().after(.ordered(.stop))) == .wasStopped)
            #expect(verdict(order, on: Lives.ready().after(.ordered(.stop))) == .wasStopped)
            let missed = Lives.awaiting().after(
                .requirementRefused("redis", .disabled, retryAfter: .seconds(5)))
            #expect(verdict(order, on: missed) == .hasFailed)
            #expect(verdict(order, on: Lives.leaving()) == .daemonLeaves)
            #expect(verdict(order, on: Lives.retired()) == .daemonLeaves)
        }
    }

    @Test("a start that waits for a stop is still open")
    func startDuringStop() {
        #expect(verdict(.start, on: Lives.stopping().after(.ordered(.start))) == nil)
        #expect(verdict(.start, on: Lives.failing().after(.ordered(.start))) == nil)
    }

    @Test("a restart is not over before another life is ready")
    func restart() {
        var machine = Lives.ready()
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.ordered(.restart))
        #expect(verdict(.restart, on: machine) == nil)
        machine = machine.after(.exited(.status(0)), .groupGone, .addressFree, .spawned)
        #expect(verdict(.restart, on: machine) == nil)
        #expect(verdict(.restart, on: machine.after(.probeSucceeded)) == .isReady)
    }

    @Test("a stop is over when nothing is left, or the next start has begun")
    func stop() {
        for order in [BackendOrder.stop, .disable] {
            let stopping = Lives.ready().after(.ordered(order))
            #expect(verdict(order, on: stopping) == nil)
            #expect(verdict(order, on: stopping.after(.exited(.status(0)), .groupGone)) == .hasEnded)
            #expect(verdict(order, on: stopping.after(.shutdownRequested)) == .daemonLeaves)
        }
        let held = Lives.ready().after(.ordered(.stop), .wanted(Ticket(number: 2)), .exited(.status(0)), .groupGone)
        #expect(verdict(.stop, on: held) == .hasEnded)
    }

    @Test("what changes at once is over at once")
    func atOnce() {
        for order in [BackendOrder.unpin, .enable] { #expect(verdict(order, on: Lives.stopping()) == .isNoted) }
    }
}
