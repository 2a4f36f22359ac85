import Testing

@testable import OnDemand

/// Who may wake a backend, and when nobody may: `wake_on` and `min_sleep`.
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

    @Test("after an idle stop nobody wakes it before it has slept enough; who asks is told how long that is")
    func minSleep() {
        var machine = BackendFixtures.stopping(Self.sleepy).after(.groupGone)
        #expect(machine.apply(.wanted(one), at: later(1)) == minSleep(one, 59))
        #expect(machine.apply(.wanted(one), at: later(59)) == minSleep(one, 1))
        #expect(machine.state == .asleep)
        #expect(machine.apply(.wanted(one), at: later(60)) == [.checkAddress])
        #expect(machine.minSleepUntil == nil)
    }

    @Test("while it stops for idleness the sleep has not begun, and nobody is held for a start that may not follow")
    func stopsForASleep() {
        var machine = BackendFixtures.stopping(Self.sleepy)
        #expect(machine.apply(.wanted(one), at: noon) == minSleep(one, 60))
        #expect(machine.queueLength == 0)
    }

    @Test("the daemon's or an operator's own start does not wait for the end of the sleep")
    func operatorWakes() {
        var machine = BackendFixtures.stopping(Self.sleepy).after(.groupGone)
        #expect(machine.apply(.startRequested, at: later(1)) == [.checkAddress])
        #expect(machine.apply(.wanted(one), at: later(1)) == [])
    }

    @Test("only an idle stop is followed by a sleep; a crash that is forgiven is not")
    func crashIsNoSleep() {
        var machine = BackendFixtures.awake(Self.sleepy).after(.exited(.status(1)), .groupGone)
        #expect(machine.apply(.wanted(one), at: noon) == [.checkAddress])
    }

    @Test("who may not wake it is refused while it sleeps, and joins whoever has woken it")
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

    @Test("in the stop window it causes no start of its own, and joins the one that somebody else causes")
    func stopWindow() {
        for stopping in [BackendFixtures.stopping(), BackendFixtures.awake().after(.exited(.status(1)))] {
            var machine = stopping
            #expect(machine.apply(.wantedIfAwake(two), at: noon) == wakeNotAllowed(two))
            #expect(machine.after(.groupGone).state == .asleep)
            machine = machine.after(.wanted(one))
            #expect(machine.apply(.wantedIfAwake(two), at: noon) == [])
            #expect(machine.queueLength == 2)
        }
    }

    @Test("what is always on comes back by itself, so anybody may wait for it")
    func alwaysOn() {
        var policy = BackendFixtures.policy
        policy.alwaysOn = true
        var machine = BackendFixtures.asleep(policy).after(
            .startRequested, .addressFree, .spawned, .probeSucceeded, .exited(.status(1)))
        #expect(machine.apply(.wantedIfAwake(two), at: noon) == [])
    }

    @Test("a queue that is full is full for everybody, and so is a daemon that leaves")
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
