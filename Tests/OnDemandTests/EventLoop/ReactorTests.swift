import Testing

@testable import OnDemand

struct ReactorTests {
    private final class Counter: EventHandler {
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
        func iterationEnded() {}
    }

    @Test("who asks for another turn several times gets one, so that nobody's share grows")
    func oneTurnEach() throws {
        let reactor = Reactor(kernel: try LinuxKernel())
        let counter = Counter(reactor)
        reactor.resumeLater(Token(.client, index: 0, generation: 1))
        for _ in 0..<10 { reactor.runOnce(counter) }
        #expect(counter.turns == 10)
    }

    /// Never finished.
    private final class Busy: EventHandler {
        let reactor: Reactor<LinuxKernel>
        var served: [Int] = []

        init(_ reactor: Reactor<LinuxKernel>) { self.reactor = reactor }

        func ready(_ token: Token, _ readiness: Readiness) {
            served.append(token.index)
            reactor.resumeLater(token)
        }
        func timerFired(_ key: TimerKey) {}
        func iterationEnded() {}
    }

    @Test("however many are busy, a turn resumes a bounded number, and each has its turn before any has two")
    func resumedShare() throws {
        let reactor = Reactor(kernel: try LinuxKernel())
        let busy = Busy(reactor)
        let count = 3 * Limits.resumedPerTurn
        for index in 0..<count { reactor.resumeLater(Token(.client, index: index, generation: 1)) }
        while busy.served.count < 2 * count {
            let before = busy.served.count
            reactor.runOnce(busy)
            #expect((1...Limits.resumedPerTurn).contains(busy.served.count - before))
        }
        #expect(
            busy.served[..<count].elementsEqual(0..<count) && busy.served[count..<2 * count].elementsEqual(0..<count))
    }

    /// Carries clients' events as long as they follow each other, and notes what it is given how.
    private final class Porter: EventHandler {
        let kernel: LinuxKernel
        var onWorkers: [[Int]] = []
        var told: [Int] = []

        init(_ kernel: LinuxKernel) { self.kernel = kernel }

        func relayRun(from first: Int, of count: Int) -> Int {
            let clients = (first..<count).prefix { kernel.event(at: $0).token.role == .client }
            onWorkers.append(clients.map { kernel.event(at: $0).token.index })
            return clients.upperBound
        }
        func ready(_ token: Token, _ readiness: Readiness) { told.append(token.index) }
        func timerFired(_ key: TimerKey) {}
        func iterationEnded() {}
    }

    @Test("events in a row may be dealt with at once, the others are told one by one, and none is told twice")
    func rows() throws {
        let kernel = try LinuxKernel()
        let roles: [Token.Role] = [.client, .client, .wakeup, .client, .wakeup, .wakeup]
        for (index, role) in roles.enumerated() {
            let wakeup = try kernel.openWakeup()
            try kernel.watch(wakeup, for: .edges, as: Token(role, index: index, generation: 1))
            kernel.signalWakeup(wakeup)
        }
        let porter = Porter(kernel)
        Reactor(kernel: kernel).runOnce(porter)
        #expect(porter.onWorkers == [[0, 1], [3], [], []])
        #expect(porter.told == [2, 4, 5])
    }
}
