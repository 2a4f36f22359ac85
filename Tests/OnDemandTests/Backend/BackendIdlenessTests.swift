import Testing

@testable import OnDemand

/// Idle stops with open tunnels, and conditions that delay an idle stop.
@Suite struct BackendIdlenessTests {
    private static let byData = BackendPolicy(
        idleTimeout: .seconds(60), idleWhen: .noClientData, closeJitter: .seconds(3))
    private static let first = Generation(number: 1)

    private func later(_ seconds: Int) -> Instant { noon + .seconds(seconds) }

    @Test("client data within the idle timeout moves the deadline relative to that data, not to now")
    func dataSeen() {
        var machine = BackendFixtures.awake(Self.byData)
        #expect(machine.apply(.timerFired(.idle), at: later(60)) == [.tryCloseGate])
        #expect(machine.apply(.clientDataSeen(at: later(45)), at: later(60)) == [.arm(.idle, at: later(105))])
        #expect(machine.state == .awake(since: noon))
    }

    @Test("clients of uncounted tunnels get a close frame before the process gets a signal")
    func leaveFirst() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle))
        let leave = machine.apply(.gateClosed, at: later(60))
        #expect(leave == [.closeTunnels(Self.first, .goingAway, over: .seconds(3)), .arm(.stopStep, at: later(65))])
        let stop = machine.apply(.tunnelsDrained(Self.first), at: later(61))
        #expect(stop == [.signal(.terminate), .arm(.stopStep, at: later(71))])
    }

    @Test("clients that cannot wake the backend during the minimum sleep get close code 1013")
    func staysAway() {
        var policy = Self.byData
        policy.minimumSleep = .seconds(5)
        var machine = BackendFixtures.awake(policy).after(.timerFired(.idle))
        let leave = machine.apply(.gateClosed, at: later(60))
        #expect(leave.first == .closeTunnels(Self.first, .staysAway, over: .seconds(3)))
        #expect(CloseCode(CloseReason.staysAway) == .tryAgainLater && CloseCode(.restarts) == .serviceRestart)
    }

    @Test("tunnels that do not close in time do not delay the stop, and a forced shutdown does not wait for them")
    func leaveInTime() {
        for event in [BackendMachine.Event.timerFired(.stopStep), .shutdownForced] {
            var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
            #expect(machine.apply(event, at: later(65)) == [.signal(.terminate), .arm(.stopStep, at: later(75))])
        }
    }

    @Test("closed tunnels of an earlier generation have no effect")
    func earlierGeneration() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
        #expect(machine.apply(.tunnelsDrained(Generation(number: 0)), at: later(61)) == [])
    }

    @Test("a request while the tunnels close is queued for the next start")
    func arrival() {
        var machine = BackendFixtures.awake(Self.byData).after(.timerFired(.idle), .gateClosed)
        let ticket = Ticket(number: 9)
        #expect(machine.apply(.wanted(ticket), at: later(61)) == [])
        _ = machine.apply(.tunnelsDrained(Self.first), at: later(61))
        _ = machine.apply(.exited(.status(0)), at: later(62))
        let effects = machine.apply(.treeGone, at: later(62))
        #expect(effects == [.disarm(.stopStep), .endGeneration(Self.first), .checkAddress])
        #expect(machine.queueLength == 1)
    }

    @Test("a minimum uptime delays the idle stop, and only until it is over")
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
