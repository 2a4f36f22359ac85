import Testing

@testable import OnDemand

struct RestartBackoffTests {
    private let backoff = RestartBackoff(first: .seconds(1), longest: .seconds(60))

    @Test("each failure doubles the backoff up to its maximum")
    func doubling() {
        let delays = (1...8).map { backoff.delay(afterFailures: $0, jitter: 0) }
        #expect(delays == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }

    @Test(
        "a backend that has failed for years has the backoff of one that failed often", arguments: [21, 64, 1000, .max])
    func manyFailures(failures: Int) {
        #expect(backoff.delay(afterFailures: failures, jitter: 0) == .seconds(60))
    }

    @Test("the jitter subtracts at most a fifth")
    func jitter() {
        var generator = Seeded(seed: 1)
        for failures in 1...10 {
            let full = backoff.delay(afterFailures: failures, jitter: 0)
            for _ in 0..<200 {
                let delay = backoff.delay(afterFailures: failures, jitter: .random(in: 0..<1, using: &generator))
                #expect(delay <= full)
                #expect(delay > full * 0.8 - .microseconds(1))
            }
        }
    }

    @Test("a backoff without a failure traps")
    func noFailure() async {
        await #expect(processExitsWith: .failure) { _ = RestartBackoff().delay(afterFailures: 0, jitter: 0) }
    }
}
