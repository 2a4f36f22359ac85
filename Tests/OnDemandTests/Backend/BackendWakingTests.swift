import Testing

@testable import OnDemand

/// Which requests may wake a backend, and when none may: `wake_on` and `min_sleep`.
@Suite struct BackendWakingTests {
    private static let sleepy: BackendPolicy = {
        var policy = BackendFixtures.policy
        policy.minimumSleep = .seconds(60)
        return policy
    }()
    private let one = Ticket(number: 21)
    private let two = Ticket(number: 22)

    private func later(_ seconds: Int) -> Instant { noon + .seconds(seconds) }

    private func minSleep(_ ticket: Ticket, _ seconds: Int) -> [BackendMachine.Effect] {
        [.refuse([ticket], .minSleep, retryAfter: .seconds(seconds))]
    }

    private func wakeNotAllowed(_ ticket: Ticket) -> [BackendMachine.Effect] {
        [.refuse([ticket], .wakeNotAllowed, retryAfter: Refusal.asleepRetry)]
    }

    @Test("a request during the minimum sleep after an idle stop is rejected with the remaining time")
    func minSleep() {
        var machine = BackendFixtures.stopping(Self.sleepy).after(.treeGone)
        #expect(machine.apply(.wanted(one), at: later(1)) == minSleep(one, 59))
        #expect(machine.apply(.wanted(one), at: later(59)) == minSleep(one, 1))
        #expect(machine.state == .asleep)
        #expect(machine.apply(.wanted(one), at: later(60)) == [.checkAddress])
        #expect(machine.minSleepUntil == nil)
    }

    @Test(
        "during an idle stop the minimum sleep has not begun, and no request is queued for a start that may not follow")
    func stopsForASleep() {
        var machine = BackendFixtures.stopping(Self.sleepy)
        #expect(machine.apply(.wanted(one), at: noon) == minSleep(one, 60))
        #expect(machine.queueLength == 0)
    }

    @Test("a start by the daemon or by an operation does not wait for the minimum sleep")
    func operatorWakes() {
        var machine = BackendFixtures.stopping(Self.sleepy).after(.treeGone)
        #expect(machine.apply(.startRequested, at: later(1)) == [.checkAddress])
        #expect(machine.apply(.wanted(one), at: later(1)) == [])
    }

    @Test("only an idle stop causes a minimum sleep; a crash without backoff does not")
    func crashIsNoSleep() {
        var machine = BackendFixtures.awake(Self.sleepy).after(.exited(.status(1)), .treeGone)
        #expect(machine.apply(.wanted(one), at: noon) == [.checkAddress])
    }

    @Test(
        "a request without wake permission is rejected during sleep, and queued after another one woke the backend"
    )
    func joins() {
        var machine = BackendFixtures.asleep()
        #expect(machine.apply(.wantedIfAwake(two), at: noon) == wakeNotAllowed(two))
        machine = machine.after(.wanted(one))
        #expect(machine.apply(.wantedIfAwake(two), at: noon) == [])
        machine = machine.after(.addressFree, .spawned)
        #expect(machine.apply(.probeSucceeded, at: noon).last == .admit([one, two], Generation(number: 1)))
        #expect(
            machine.apply(.wantedIfAwake(two), at: noon) == [.enterGate, .admit([two], Generation(number: 1))])
    }

    @Test("a request without wake permission causes no start during a stop, and joins the start of another request")
    func stopWindow() {
        for stopping in [BackendFixtures.stopping(), BackendFixtures.awake().after(.exited(.status(1)))] {
            var machine = stopping
            #expect(machine.apply(.wantedIfAwake(two), at: noon) == wakeNotAllowed(two))
            #expect(machine.after(.treeGone).state == .asleep)
            machine = machine.after(.wanted(one))
            #expect(machine.apply(.wantedIfAwake(two), at: noon) == [])
            #expect(machine.queueLength == 2)
        }
    }

    @Test("an always-on backend restarts by itself, so any request may be queued")
    func alwaysOn() {
        var policy = BackendFixtures.policy
        policy.alwaysOn = true
        var machine = BackendFixtures.asleep(policy).after(
            .startRequested, .addressFree, .spawned, .probeSucceeded, .exited(.status(1)))
        #expect(machine.apply(.wantedIfAwake(two), at: noon) == [])
    }

    @Test("a full queue and a shutdown reject requests with wake permission, too")
    func elsewhere() {
        var full = BackendFixtures.checking().after(.wanted(one))
        let refusal = BackendMachine.Effect.refuse([two], .queueFull(limit: 2), retryAfter: .seconds(1))
        #expect(full.apply(.wantedIfAwake(two), at: noon) == [refusal])
        for machine in [BackendFixtures.shuttingDown(), BackendFixtures.leaving()] {
            var machine = machine
            let refusal = BackendMachine.Effect.refuse([two], .shuttingDown, retryAfter: Refusal.shutdownRetry)
            #expect(machine.apply(.wantedIfAwake(two), at: noon) == [refusal])
        }
    }
}
