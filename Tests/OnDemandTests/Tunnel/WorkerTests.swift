import Testing

@testable import OnDemand

struct WorkerTests {
    @Test("a tunnel goes to the worker with the fewest connections, to the first of several, and to this thread last")
    func placement() {
        func lightest(_ own: Int, _ others: [Int]) -> Int? {
            WorkerPool<SimulatedKernel>.lightest(own: own, others: others)
        }
        #expect(lightest(0, []) == nil)
        #expect(lightest(0, [0]) == 0)
        #expect(lightest(0, [1, 1]) == nil)
        #expect(lightest(1, [1, 1]) == 0)
        #expect(lightest(9, [3, 2, 2]) == 1)
        // The threads fill up evenly.
        var (own, others) = (0, [0, 0, 0])
        for _ in 0..<400 { if let chosen = lightest(own, others) { others[chosen] += 1 } else { own += 1 } }
        #expect(own == 100 && others == [100, 100, 100])
    }

    @Test("a worker sends its log lines to the main thread, at every level, and writes none itself")
    func log() {
        var told: [(LogEvent, [LogField])] = []
        let log = Log { told.append(($0, $1)) }
        log(.tunnelClosed, LogField("reason", "done"))
        log.record(.badRequest, [LogField("close_code", 1002)])
        #expect(told.map(\.0) == [.tunnelClosed, .badRequest])
        #expect(told.map(\.1) == [[LogField("reason", "done")], [LogField("close_code", 1002)]])
        #expect(!log.isWorthRetrying)
    }
}
