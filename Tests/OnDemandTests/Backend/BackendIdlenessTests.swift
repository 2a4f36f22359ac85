import Testing

@testable import OnDemand

/// When a quiet backend is stopped although tunnels are open, and when it is not stopped although it is quiet.
@Suite struct BackendIdlenessTests {
    private static let byData = BackendPolicy(
        idleTimeout: .seconds(60), idleWhen: .noClientData, closeJitter: .seconds(3))
    private static let first = Generation(number: 1)

    private func later(_ seconds: Int) -> Instant { noon + .seconds(seconds) }

    @Test("client data within the idle timeout moves the clock to that data, not to now")
    func dataSeen() {
        var machine = BackendFixtures.awake(Self.byData)
        #expect(machine.apply(.timerFired(.idle), at: later(60)) == [.tryCloseGate])
        #expect(machine.apply(.clientDataSeen(at: later(45)), at: later(60)) == [.arm(.idle, at: later(105))])
        #expect(machine.state == .awake(since: noon))
    }

    @Test("clients of dormant tunnels are told before anybody is signalled")
    func leaveFirst() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle))
        let leave = machine.apply(.gateClosed, at: later(60))
        #expect(leave == [.closeTunnels(Self.first, .goingAway, over: .seconds(3)), .arm(.stopStep, at: later(65))])
        let stop = machine.apply(.tunnelsDrained(Self.first), at: later(61))
        #expect(stop == [.signal(.terminate), .arm(.stopStep, at: later(71))])
    }

    @Test("clients that cannot wake it again for a while are told to try later")
    func staysAway() {
        var policy = Self.byData
        policy.minimumSleep = .seconds(5)
        var machine = BackendFixtures.awake(policy).after(.timerFired(.idle))
        let leave = machine.apply(.gateClosed, at: later(60))
        #expect(leave.first == .closeTunnels(Self.first, .staysAway, over: .seconds(3)))
        #expect(CloseCode(CloseReason.staysAway) == .tryAgainLater && CloseCode(.restarts) == .serviceRestart)
    }

    @Test("tunnels that do not end in time do not hold up the stop, and a hurry does not wait for them")
    func leaveInTime() {
        for event in [BackendMachine.Event.timerFired(.stopStep), .shutdownForced] {
            var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
            #expect(machine.apply(event, at: later(65)) == [.signal(.terminate), .arm(.stopStep, at: later(75))])
        }
    }

    @Test("tunnels of an earlier generation end nothing")
    func earlierGeneration() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
        #expect(machine.apply(.tunnelsDrained(Generation(number: 0)), at: later(61)) == [])
    }

    @Test("who comes while the others are told to go waits for a fresh start")
    func arrival() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
        let ticket = Ticket(number: 9)
        #expect(machine.apply(.wanted(ticket), at: later(61)) == [])
        _ = machine.apply(.tunnelsDrained(Self.first), at: later(61))
        _ = machine.apply(.exited(.status(0)), at: later(62))
        let effects = machine.apply(.groupGone, at: later(62))
        #expect(effects == [.disarm(.stopStep), .endGeneration(Self.first), .checkAddress])
        #expect(machine.queueLength == 1)
    }

    @Test("a minimum uptime holds the idle stop back, and only until it has passed")
    func minimumUptime() {
        var policy = BackendFixtures.policy
        policy.minimumUptime = .seconds(300)
        var machine = BackendFixtures.awake(policy)
        let early = machine.apply(.lastLeaseReturned(Self.first), at: later(10))
        #expect(early == [.arm(.idle, at: later(300))])
        let late = machine.apply(.lastLeaseReturned(Self.first), at: later(290))
        #expect(late == [.arm(.idle, at: later(350))])
    }
}
