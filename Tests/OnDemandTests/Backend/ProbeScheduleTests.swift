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

    @Test("a short boot waits in proportion: at most a fiftieth of it, or half a millisecond")
    func proportional() {
        for milliseconds in stride(from: 1, through: 500, by: 7) {
            let boot: Duration = .milliseconds(milliseconds)
            #expect(probing(untilAccepted: boot).wait <= max(boot / 49, ProbeSchedule.shortest))
        }
    }

    @Test("over an ordinary boot of some seconds there are fewer than a hundred probes a second")
    func probesPerSecond() {
        for seconds in [6, 10, 20, 30] {
            #expect(probing(untilAccepted: .seconds(seconds)).probes <= 100 * seconds)
        }
    }

    @Test("the dense beginning costs a few hundred probes, however long the boot becomes")
    func denseBeginning() {
        for seconds in 1...30 {
            #expect(probing(untilAccepted: .seconds(seconds)).probes <= 240 + 63 * (seconds - 1))
        }
        #expect(probing(untilAccepted: .milliseconds(30)).probes <= 62)
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
