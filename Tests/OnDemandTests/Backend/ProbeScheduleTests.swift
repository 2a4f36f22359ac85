import Foundation
import Testing

@testable import OnDemand

struct ProbeScheduleTests {
    /// Returns the time from the spawn to the successful probe, for a backend that accepts `startup` after its spawn.
    private func probing(
        untilAccepted startup: Duration, usual: UsualStartup? = nil, byLookup: Bool
    ) -> (wait: Duration, probes: Int) {
        var elapsed: Duration = .zero
        var probes = 1
        while elapsed < startup {
            elapsed += ProbeSchedule.pause(after: elapsed, usual: usual, byLookup: byLookup)
            probes += 1
        }
        return (elapsed - startup, probes)
    }

    @Test("probing adds at most 50 ms to any startup", arguments: [true, false])
    func addedWait(byLookup: Bool) {
        var generator = Seeded(seed: 20_261_121)
        // Spread evenly over the orders of magnitude, so that short startups are covered.
        for _ in 0..<2000 {
            let milliseconds = 30 * pow(1000, Double.random(in: 0..<1, using: &generator))
            #expect(probing(untilAccepted: .seconds(milliseconds / 1000), byLookup: byLookup).wait <= .milliseconds(50))
        }
    }

    @Test("a short startup waits in proportion, and below 50 ms at most half a millisecond")
    func proportional() {
        for milliseconds in stride(from: 1, through: 500, by: 7) {
            let startup: Duration = .milliseconds(milliseconds)
            let byLookup = probing(untilAccepted: startup, byLookup: true).wait
            #expect(byLookup <= max(startup / 33, ProbeSchedule.shortest))
            if startup <= ProbeSchedule.dense { #expect(byLookup <= .microseconds(500)) }
            let byConnecting = probing(untilAccepted: startup, byLookup: false).wait
            #expect(byConnecting <= max(startup / 29, ProbeSchedule.shortestByConnecting))
        }
    }

    @Test("a startup below 50 ms waits less than 1/3 ms on average, a longer one 1/60 of its length")
    func averages() {
        var generator = Seeded(seed: 5)
        for limit in [50.0, 300, 1000, 3000] {
            let startups = (0..<500).map { _ in
                Duration.seconds(Double.random(in: limit / 3..<limit, using: &generator) / 1000)
            }
            let waits = startups.map { probing(untilAccepted: $0, byLookup: true).wait }
            if limit == 50 { #expect(waits.reduce(.zero, +) / 500 < .microseconds(300)) }
            #expect(zip(waits, startups).map { $0 / $1 }.reduce(0, +) / 500 < 0.0167)
        }
    }

    @Test("a backend that has responded is probed at a lower rate at first", arguments: [true, false])
    func afterAnAnswer(byLookup: Bool) {
        let early = ProbeSchedule.pause(after: .milliseconds(3), byLookup: byLookup, hasAnswered: true)
        #expect(early == .milliseconds(5))
        let late = ProbeSchedule.pause(after: .seconds(1), byLookup: byLookup, hasAnswered: true)
        #expect(late == ProbeSchedule.pause(after: .seconds(1), byLookup: byLookup))
    }

    @Test("a startup of some seconds has fewer than 110 lookups per second, or 70 connect probes")
    func probesPerSecond() {
        for seconds in [3, 6, 10, 20, 30] {
            #expect(probing(untilAccepted: .seconds(seconds), byLookup: true).probes <= 110 * seconds)
            #expect(probing(untilAccepted: .seconds(seconds), byLookup: false).probes <= 70 * seconds)
        }
    }

    @Test("the dense beginning costs a few hundred probes, however long the startup")
    func denseBeginning() {
        for seconds in 1...30 {
            #expect(probing(untilAccepted: .seconds(seconds), byLookup: true).probes <= 266 + 20 * (seconds - 1))
            #expect(probing(untilAccepted: .seconds(seconds), byLookup: false).probes <= 163 + 20 * (seconds - 1))
        }
    }

    @Test("a long startup is probed every 50 ms", arguments: [true, false])
    func longBoots(byLookup: Bool) {
        #expect(ProbeSchedule.pause(after: .seconds(2), byLookup: byLookup) == .milliseconds(50))
        #expect(ProbeSchedule.pause(after: .seconds(3600), byLookup: byLookup) == .milliseconds(50))
    }

    @Test("the first pause is the shortest, also when the clock has not moved")
    func firstPause() {
        #expect(ProbeSchedule.pause(after: .zero, byLookup: true) == ProbeSchedule.shortest)
        #expect(ProbeSchedule.pause(after: .zero, byLookup: false) == ProbeSchedule.shortestByConnecting)
    }

    @Test("a startup of the usual length waits two thirds as long, with a quarter of the lookups")
    func usual() {
        var generator = Seeded(seed: 8)
        for usual in [100, 300, 600, 3000] {
            let startups = (0..<500).map { _ in
                Duration.microseconds(Int.random(in: usual * 1000...usual * 1050, using: &generator))
            }
            let steady = UsualStartup.steady(.milliseconds(usual))
            let known = startups.map { probing(untilAccepted: $0, usual: steady, byLookup: true) }
            let unknown = startups.map { probing(untilAccepted: $0, byLookup: true) }
            let waits = (known.map(\.wait).reduce(.zero, +), unknown.map(\.wait).reduce(.zero, +))
            let looks = (known.map(\.probes).reduce(0, +), unknown.map(\.probes).reduce(0, +))
            #expect(waits.0 * 3 < waits.1 * 2)
            #expect(looks.0 * 4 < looks.1)
        }
    }

    @Test("a startup of three seconds of the usual length needs at most 35 lookups")
    func usualLong() {
        #expect(probing(untilAccepted: .seconds(3), usual: .steady(.seconds(3)), byLookup: true).probes <= 35)
    }

    @Test("a startup of exactly the usual length waits 1/256 of its length", arguments: [20, 100, 300, 600, 3000])
    func usualExactly(milliseconds: Int) {
        let usual = Duration.milliseconds(milliseconds)
        let wait = probing(untilAccepted: usual, usual: .steady(usual), byLookup: true).wait
        #expect(wait <= max(ProbeSchedule.shortest, usual / 256))
    }

    @Test("startups that differ by less than 1/128 wait 1/512 of their length, with at most 40 lookups")
    func steady() {
        for usual in [300, 1000, 3000] {
            let margin = usual * 1000 / 128
            for microseconds in stride(from: usual * 1000 - margin, to: usual * 1000 + margin, by: margin / 50) {
                let known = probing(
                    untilAccepted: .microseconds(microseconds), usual: .steady(.milliseconds(usual)), byLookup: true)
                #expect(known.wait <= .microseconds(usual * 1000 / 512 + 1))
                #expect(known.probes <= 40)
            }
        }
    }

    @Test("the window is as wide as the recent startups differ, and no pause is longer than without it")
    func window() {
        let usual = UsualStartup(quickest: .milliseconds(1000), median: .milliseconds(1040))
        for milliseconds in 995...1080 {
            let pause = ProbeSchedule.pause(after: .milliseconds(milliseconds), usual: usual, byLookup: true)
            // (40 + 40 + 2 x 7.8) / 8 ms, but at most a hundredth.
            #expect(pause <= .microseconds(11_954) && pause >= .milliseconds(9))
        }
        let outlier = UsualStartup(quickest: .milliseconds(500), median: .milliseconds(1000))
        for milliseconds in 500...562 {
            let pause = ProbeSchedule.pause(after: .milliseconds(milliseconds), usual: outlier, byLookup: true)
            #expect(pause <= .milliseconds(milliseconds) / 100)
        }
    }

    @Test("a startup faster than all before waits 1/8 of its length, at half the time 1/4, at 1/21 half")
    func quicker() {
        var generator = Seeded(seed: 9)
        for usual in [10, 300, 3000, 60_000] {
            for _ in 0..<200 {
                let startup = Duration.microseconds(Int.random(in: 500...usual * 1000, using: &generator))
                let wait = probing(untilAccepted: startup, usual: .steady(.milliseconds(usual)), byLookup: true).wait
                let share = startup * 21 < .milliseconds(usual) ? 2 : startup * 2 < .milliseconds(usual) ? 4 : 8
                let little = max(ProbeSchedule.shortest, min(.microseconds(2 * usual), .milliseconds(5)))
                #expect(wait <= max(startup / share, little) && wait <= .milliseconds(250))
            }
        }
    }

    @Test("a startup slower than all before is probed as if nothing were known")
    func slower() {
        for elapsed in [120, 500, 3000, 60_000] {
            let usual = UsualStartup.steady(.milliseconds(100))
            let pause = ProbeSchedule.pause(after: .milliseconds(elapsed), usual: usual, byLookup: true)
            #expect(pause == ProbeSchedule.pause(after: .milliseconds(elapsed), byLookup: true))
        }
    }

    @Test("a known startup of a few milliseconds is not probed at a lower rate")
    func quickAlways() {
        for milliseconds in 1...20 {
            let startup: Duration = .milliseconds(milliseconds)
            #expect(probing(untilAccepted: startup, usual: .steady(startup), byLookup: true).wait <= .microseconds(200))
        }
    }

    @Test("a backend hidden from lookups is found within 1 s, or half its startup, with a few connect probes")
    func hidden() {
        var elapsed: Duration = .zero
        var knocks = 0
        while elapsed < .seconds(3) {
            let pause = ProbeSchedule.connectPause(after: elapsed)
            #expect(pause <= max(.milliseconds(250), elapsed / 2) && pause <= .seconds(1))
            elapsed += pause
            knocks += 1
        }
        #expect(knocks <= 7)
    }
}

extension UsualStartup {
    /// All recent startups took this time.
    fileprivate static func steady(_ time: Duration) -> UsualStartup { UsualStartup(quickest: time, median: time) }
}
