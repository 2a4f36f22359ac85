import Testing

@testable import OnDemand

struct ReactorTests {
    private final class Counter: Tenant {
        let reactor: Reactor<LinuxKernel>
        var turns = 0

        init(_ reactor: Reactor<LinuxKernel>) { self.reactor = reactor }

        /// As busy as a tunnel both of whose sockets are ready: it asks twice in each of its turns.
        func ready(_ token: Token, _ readiness: Readiness) {
            turns += 1
            reactor.resumeLater(token)
            reactor.resumeLater(token)
        }
        func timerFired(_ key: TimerKey) {}
        func turnEnded() {}
    }

    @Test("who asks for another turn several times gets one, so that nobody's share grows")
    func oneTurnEach() throws {
        let reactor = Reactor(kernel: try LinuxKernel())
        let counter = Counter(reactor)
        reactor.resumeLater(Token(.client, index: 0, generation: 1))
        for _ in 0..<10 { reactor.turn(counter) }
        #expect(counter.turns == 10)
    }
}
