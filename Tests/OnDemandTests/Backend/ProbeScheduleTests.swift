import Foundation
import Testing

@testable import OnDemand

struct ProbeScheduleTests {
    /// From spawn to the probe that succeeds, when the backend begins to accept `boot` after its spawn.
    private func probing(untilAccepted boot: Duration) -> (wait: Duration, probes: Int) {
        var elapsed: Duration = .zero
        var probes = 1
        while elapsed < boot {
            elapsed += ProbeSchedule.pause(after: elapsed)
            probes += 1
        }
        return (elapsed - boot, probes)
    }

    @Test("asking adds at most 20 ms to 99 of 100 boots, and to none of them more than the longest pause")
    func addedWait() {
        var generator = Seeded(seed: 20_261_121)
        // Spread evenly over the orders of magnitude, so that short boots are not forgotten.
        let waits = (0..<2000).map { _ in
            let milliseconds = 30 * pow(1000, Double.random(in: 0..<1, using: &generator))
            return probing(untilAccepted: .seconds(milliseconds / 1000)).wait
        }.sorted()
        #expect(waits[waits.count * 99 / 100] <= .milliseconds(20))
        #expect(waits[waits.count - 1] <= ProbeSchedule.longestWhileOrdinary)
    }

    @Test("a short boot waits in proportion: at most a thirtieth of it, or half a millisecond")
    func proportional() {
        for milliseconds in stride(from: 1, through: 500, by: 7) {
            let boot: Duration = .milliseconds(milliseconds)
            #expect(probing(untilAccepted: boot).wait <= max(boot / 29, ProbeSchedule.shortest))
        }
    }

    @Test("a boot below 50 ms waits less than a millisecond on average, a longer one less than a fiftieth of itself")
    func averages() {
        var generator = Seeded(seed: 5)
        for limit in [50.0, 300, 1000, 3000] {
            let ratios = (0..<500).map { _ in
                let boot: Duration = .seconds(Double.random(in: limit / 3..<limit, using: &generator) / 1000)
                return probing(untilAccepted: boot).wait / max(boot, .milliseconds(50))
            }
            #expect(ratios.reduce(0, +) / 500 < 0.02)
        }
    }

    @Test("who has answered is asked again less eagerly at first")
    func afterAnAnswer() {
        #expect(ProbeSchedule.pause(after: .milliseconds(3), hasAnswered: true) == .milliseconds(5))
        #expect(
            ProbeSchedule.pause(after: .seconds(1), hasAnswered: true) == ProbeSchedule.pause(after: .seconds(1)))
    }

    @Test("over an ordinary boot of some seconds there are fewer than a hundred probes a second")
    func probesPerSecond() {
        for seconds in [3, 6, 10, 20, 30] {
            #expect(probing(untilAccepted: .seconds(seconds)).probes <= 90 * seconds)
        }
    }

    @Test("the dense beginning costs a few hundred probes, however long the boot becomes")
    func denseBeginning() {
        for seconds in 1...30 {
            #expect(probing(untilAccepted: .seconds(seconds)).probes <= 165 + 51 * (seconds - 1))
        }
        #expect(probing(untilAccepted: .milliseconds(30)).probes <= 54)
    }

    @Test("a boot that is out of the ordinary is asked every 50 ms")
    func longBoots() {
        #expect(ProbeSchedule.pause(after: .seconds(31)) == .milliseconds(50))
        #expect(ProbeSchedule.pause(after: .seconds(3600)) == .milliseconds(50))
    }

    @Test("the very first pause is the shortest, also when the clock has not moved")
    func firstPause() {
        #expect(ProbeSchedule.pause(after: .zero) == ProbeSchedule.shortest)
    }
}
