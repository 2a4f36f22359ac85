import Foundation
import Glibc
import Synchronization
import Testing

@testable import OnDemand

/// Thousands of seeds, each a different scenario; `SIMULATION_SEEDS` sets their number, `SIMULATION_SEED` replays one.
@Suite("Simulation: the swarm")
struct SimulationSwarmTests {
    /// Two per thread, so that both cores of a small machine are busy.
    private static let lanes: UInt64 = 4

    @Test("no seed causes a violation", arguments: 0..<lanes)
    func swarm(lane: UInt64) throws {
        LastWords.prepare()
        if let seed = number("SIMULATION_SEED") {
            if lane == 0 { try replay(seed) }
            return
        }
        var failures = 0
        var hibernation = HibernationTally()
        for seed in stride(from: lane + 1, through: number("SIMULATION_SEEDS") ?? 500, by: Int(Self.lanes)) {
            LastWords.note(seed, lane)
            let simulation = try Simulation.run(.drawn(seed: seed))
            hibernation.add(simulation)
            guard !simulation.complaints.isEmpty else { continue }
            Issue.record("\(simulation.complaints.joined(separator: "\n"))\nreplay: \(Self.command(seed))")
            failures += 1
            if failures == 5 { break }  // The first few are enough.
        }
        if failures == 0, number("SIMULATION_SEEDS") ?? 500 >= 500 { #expect(hibernation.isComplete, "\(hibernation)") }
    }

    @Test("the same seed causes the same run, event for event")
    func replays() throws {
        for seed: UInt64 in 1...20 {
            let (first, second) = (try Simulation.run(.drawn(seed: seed)), try Simulation.run(.drawn(seed: seed)))
            #expect(first.kernel.trace.digest == second.kernel.trace.digest, "\(Self.command(seed))")
            #expect(first.kernel.logLines == second.kernel.logLines)
            #expect(first.turns == second.turns)
        }
    }

    private func replay(_ seed: UInt64) throws {
        let simulation = Simulation(.drawn(seed: seed))
        simulation.kernel.trace.isVerbose = true
        LastWords.note(seed, 0)
        try simulation.run()
        print(simulation.scenario.story)
        print(simulation.kernel.trace.lines.joined(separator: "\n"))
        #expect(simulation.complaints == [])
    }

    static func command(_ seed: UInt64) -> String { "SIMULATION_SEED=\(seed) swift test --filter SimulationSwarm" }

    private func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }
}

/// A trap ends the whole test process: before that, this prints the running seeds.
private enum LastWords {
    private static let first = Atomic<UInt64>(0)
    private static let second = Atomic<UInt64>(0)
    private static let third = Atomic<UInt64>(0)
    private static let fourth = Atomic<UInt64>(0)

    static func note(_ seed: UInt64, _ lane: UInt64) {
        switch lane {
        case 0: first.store(seed, ordering: .relaxed)
        case 1: second.store(seed, ordering: .relaxed)
        case 2: third.store(seed, ordering: .relaxed)
        default: fourth.store(seed, ordering: .relaxed)
        }
    }

    static func prepare() {
        for number in [SIGILL, SIGTRAP] {
            signal(number) { number in
                LastWords.say()
                signal(number, SIG_DFL)  // The instruction runs again and traps.
            }
        }
    }

    private static func say() {
        let seeds = [
            first.load(ordering: .relaxed), second.load(ordering: .relaxed), third.load(ordering: .relaxed),
            fourth.load(ordering: .relaxed),
        ]
        let commands = seeds.filter { $0 > 0 }.map { "    \(SimulationSwarmTests.command($0))" }
        let text = Array("A simulation trapped; it was one of these:\n\(commands.joined(separator: "\n"))\n".utf8)
        unsafe write(STDERR_FILENO, text, text.count)
    }
}
