import Testing

@testable import OnDemand

struct ReactorTests {
    private final class Counter: EventHandler {
        let reactor: Reactor<LinuxKernel>
        var turns = 0

        init(_ reactor: Reactor<LinuxKernel>) { self.reactor = reactor }

        /// Like a tunnel with both sockets ready: requests two further turns per turn.
        func ready(_ token: Token, _ readiness: Readiness) {
            turns += 1
            reactor.resumeLater(token)
            reactor.resumeLater(token)
        }
        func timerFired(_ key: TimerKey) {}
        func iterationEnded() {}
    }

    @Test("a handler that requests several turns gets one, so that all have the same share")
    func oneTurnEach() throws {
        let reactor = Reactor(kernel: try LinuxKernel())
        let counter = Counter(reactor)
        reactor.resumeLater(Token(ConnectionToken.client, index: 0, generation: 1))
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

    @Test("an iteration resumes a bounded number of handlers, and each one once before any gets a second turn")
    func resumedShare() throws {
        let reactor = Reactor(kernel: try LinuxKernel())
        let busy = Busy(reactor)
        let count = 3 * Limits.resumedPerTurn
        for index in 0..<count { reactor.resumeLater(Token(ConnectionToken.client, index: index, generation: 1)) }
        while busy.served.count < 2 * count {
            let before = busy.served.count
            reactor.runOnce(busy)
            #expect((1...Limits.resumedPerTurn).contains(busy.served.count - before))
        }
        #expect(
            busy.served[..<count].elementsEqual(0..<count) && busy.served[count..<2 * count].elementsEqual(0..<count))
    }

    /// Handles consecutive events of clients together, and records them.
    private final class Porter: EventHandler {
        let kernel: LinuxKernel
        var onWorkers: [[Int]] = []
        var told: [Int] = []

        init(_ kernel: LinuxKernel) { self.kernel = kernel }

        func relayRun(from first: Int, of count: Int) -> Int {
            let clients = (first..<count).prefix { kernel.event(at: $0).token.owner == .connections }
            onWorkers.append(clients.map { kernel.event(at: $0).token.index })
            return clients.upperBound
        }
        func ready(_ token: Token, _ readiness: Readiness) { told.append(token.index) }
        func timerFired(_ key: TimerKey) {}
        func iterationEnded() {}
    }

    @Test("consecutive events may be handled together, others one by one, and none twice")
    func rows() throws {
        let kernel = try LinuxKernel()
        for (index, isOfConnection) in [true, true, false, true, false, false].enumerated() {
            let wakeup = try kernel.openWakeup()
            let token =
                isOfConnection
                ? Token(ConnectionToken.client, index: index, generation: 1)
                : Token(WorkerToken.requests, index: index, generation: 1)
            try kernel.watch(wakeup, for: .edges, as: token)
            kernel.signalWakeup(wakeup)
        }
        let porter = Porter(kernel)
        Reactor(kernel: kernel).runOnce(porter)
        #expect(porter.onWorkers == [[0, 1], [3], [], []])
        #expect(porter.told == [2, 4, 5])
    }
}
