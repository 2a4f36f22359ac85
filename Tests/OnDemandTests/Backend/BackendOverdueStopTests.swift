import Testing

@testable import OnDemand

private let (one, two) = (Ticket(number: 1), Ticket(number: 2))

/// A stop that does not end: its processes cannot be signalled, or hang in the kernel.
struct BackendOverdueStopTests {
    @Test("queued requests are rejected when the stop plan and its grace period are over")
    func refusesWaiting() {
        var machine = BackendFixtures.stopping().after(.wanted(one))
        var (now, refusals) = (noon, [Instant]())
        for _ in 0..<20 {
            // TERM and its timeout came before.
            now = now + (now == noon ? .seconds(10) : .seconds(1))
            let effects = machine.apply(.timerFired(.stopStep), at: now)
            #expect(effects.contains(.signal(.kill)))
            if effects.contains(.refuse([one], .stopTimedOut, retryAfter: .seconds(10))) { refusals.append(now) }
        }
        #expect(refusals == [noon + .seconds(10) + Limits.stopGrace])
        #expect(machine.isStopOverdue && machine.queueLength == 0)
    }

    @Test("a request during an overdue stop is rejected at once", arguments: [true, false])
    func refusesNewcomers(mayWake: Bool) {
        var machine = BackendFixtures.overdue()
        let effects = machine.apply(mayWake ? .wanted(two) : .wantedIfAwake(two), at: noon)
        #expect(effects == [.refuse([two], .stopTimedOut, retryAfter: .seconds(10))])
    }

    @Test("an overdue stop repeats KILL at a low rate")
    func slowRetries() {
        var machine = BackendFixtures.overdue()
        for _ in 0..<3 {
            let effects = machine.apply(.timerFired(.stopStep), at: noon)
            #expect(effects == [.signal(.kill), .arm(.stopStep, at: noon + .seconds(10))])
        }
    }

    @Test("a backend is asleep and can be woken when its processes finally exit")
    func endsAtLast() {
        let machine = BackendFixtures.overdue().after(.exited(.signal(9)), .treeGone)
        #expect(machine.state == .asleep)
        #expect(machine.after(.wanted(two)).queueLength == 1)
    }

    @Test(
        "operations that wait for an overdue stop fail", arguments: [BackendOperation.start, .stop, .restart, .disable])
    func operations(operation: BackendOperation) {
        let machine = BackendFixtures.overdue().after(.operation(operation))
        let pending = PendingOperation(ticket: one, operation: operation, found: machine.generation)
        #expect(pending.verdict(on: machine) == .stopTimedOut)
        // A failed operation is not executed later.
        #expect(machine.after(.exited(.signal(9)), .treeGone).state == .asleep)
    }

    @Test("a shutdown fails no operation")
    func shutdown() {
        let machine = BackendFixtures.overdue().after(.shutdownRequested)
        let pending = PendingOperation(ticket: one, operation: .stop, found: machine.generation)
        #expect(pending.verdict(on: machine) == .daemonLeaves)
        #expect(machine.after(.exited(.signal(9)), .treeGone).state == .shuttingDown)
    }
}

/// Requests during the backoff after a failure.
struct BackendShortRestTests {
    private func failed(_ first: Duration) -> BackendMachine {
        var policy = BackendFixtures.policy
        policy.backoff = RestartBackoff(first: first)
        return BackendFixtures.backoff(policy)
    }

    @Test("a request is queued when at most two seconds of the backoff are left")
    func boundary() {
        var short = failed(Limits.queuedRest)
        #expect(short.apply(.wanted(two), at: noon) == [])
        #expect(short.queueLength == 1)
        var long = failed(Limits.queuedRest + .milliseconds(1))
        let refusal = Refusal.backoff(reason: Refusal.addressTaken.sentence)
        #expect(long.apply(.wanted(two), at: noon) == [.refuse([two], refusal, retryAfter: .milliseconds(2001))])
        #expect(long.apply(.wanted(two), at: noon + .milliseconds(1)) == [])
    }

    @Test("a queued request gets the next start")
    func nextStart() {
        var machine = failed(.seconds(1)).after(.wanted(two))
        #expect(machine.apply(.timerFired(.backoffTimer), at: noon) == [.checkAddress])
        machine = machine.after(.addressFree, .spawned)
        let effects = machine.apply(.probeSucceeded, at: noon)
        #expect(effects.contains(.admit([two], Generation(number: 1))))
    }

    @Test("a request that arrives while the failed process exits is queued, too, and keeps its position")
    func duringStop() {
        let machine = BackendFixtures.failing().after(.wanted(two), .treeGone)
        guard case .backoff(let rest) = machine.state else {
            Issue.record("\(machine.state) is no rest")
            return
        }
        #expect(rest.queue == [two])
        #expect(machine.after(.timerFired(.backoffTimer)).queueLength == 1)
    }

    @Test("a client that leaves is removed from the queue, and then nothing starts")
    func leaves() {
        #expect(failed(.seconds(1)).after(.wanted(two), .abandoned(two), .timerFired(.backoffTimer)).state == .asleep)
    }

    @Test("the queue has its usual limit")
    func limit() {
        var machine = failed(.seconds(1))
        for number in 1...UInt64(BackendFixtures.policy.maximumQueue) {
            #expect(machine.apply(.wanted(Ticket(number: number)), at: noon) == [])
        }
        let extra = Ticket(number: 99)
        let full = Refusal.queueFull(limit: BackendFixtures.policy.maximumQueue)
        #expect(machine.apply(.wanted(extra), at: noon) == [.refuse([extra], full, retryAfter: .seconds(1))])
    }

    @Test(
        "an event that ends the backoff resolves the queued requests",
        arguments: [
            (BackendMachine.Event.operation(.stop), Refusal.stopped), (.operation(.disable), .disabled),
            (.shutdownRequested, .shuttingDown),
        ])
    func refused(event: BackendMachine.Event, refusal: Refusal) {
        var machine = failed(.seconds(1)).after(.wanted(two))
        let effects = machine.apply(event, at: noon)
        #expect(effects.contains(.refuse([two], refusal, retryAfter: refusal.usualRetry)))
        #expect(machine.queueLength == 0)
    }
}
