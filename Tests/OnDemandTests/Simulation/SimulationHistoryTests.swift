import Testing

@testable import OnDemand

/// The 24-hour history of a daemon, and its successor's view of it.
@Suite("Simulation: history")
struct SimulationHistoryTests {
    private let file = "/state/history.json"

    private func simulation(_ change: (inout Scenario) -> Void = { _ in }) -> Simulation {
        var scenario = Scenario(clients: [.get(), .chat(.init(), at: .seconds(20))])
        scenario.stateDirectory = "/state"
        change(&scenario)
        return Simulation(scenario)
    }

    private func days(of simulation: Simulation) throws -> [ServiceHistory] {
        let bytes = try #require(simulation.kernel.disk[file])
        return try HistoryJSON.read(bytes, at: simulation.kernel.wallClock().seconds)
    }

    @Test("the history file contains every generation with its connections, and needs no timer")
    func lives() throws {
        let simulation = simulation()
        try simulation.run()
        #expect(simulation.complaints == [])
        let day = try #require(try days(of: simulation).first)
        let states = day.states.intervals.map(\.state)
        #expect(Array(states.prefix(6)) == [.asleep, .starting, .awake, .stopping, .asleep, .starting])
        #expect(day.connections.peaks.max() == 1)
    }

    @Test("the next daemon continues the history, with the time between as unknown")
    func goesOn() throws {
        let first = simulation()
        try first.run()
        let second = simulation()
        second.kernel.disk = first.kernel.disk
        second.kernel.wallOffset += 3600
        try second.run()
        #expect(second.complaints == [])
        let states = try days(of: second)[0].states.intervals.map(\.state)
        let gap = try #require(states.firstIndex(of: nil))
        #expect(states[..<gap].contains(.awake) && states[(gap + 1)...].contains(.awake))
        #expect(states[gap + 1] == .asleep)
    }

    @Test(
        "a foreign or damaged history file is logged once and replaced",
        arguments: ["", "{", "\u{0}", "[1]", #"{"version":7}"#])
    func foreign(text: String) throws {
        let simulation = simulation()
        simulation.kernel.disk[file] = Array(text.utf8)
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.historyUnreadable).count == 1)
        #expect(try !days(of: simulation).isEmpty)
    }

    @Test("a read-only directory is logged once and affects no request")
    func unwritable() throws {
        let simulation = simulation()
        simulation.kernel.diskIsFull = true
        try simulation.run()
        #expect(simulation.complaints == [])
        #expect(simulation.kernel.logged(.historyWriteFailed).count == 1)
        #expect(simulation.outcomes(of: 0) == [.answered(200)])
    }

    @Test(
        "a jump of the clock stops no process, and leaves a readable history",
        arguments: [-90_000, 90_000])
    func jumps(seconds: Int64) throws {
        let simulation = simulation { $0.wallJump = (.seconds(3), seconds) }
        try simulation.run()
        #expect(simulation.complaints == [])
        let day = try #require(try days(of: simulation).first)
        #expect(zip(day.states.intervals, day.states.intervals.dropFirst()).allSatisfy { $0.since <= $1.since })
        #expect(day.states.intervals.map(\.state).contains(.awake))
    }

    @Test("without a directory no history is written")
    func nowhere() throws {
        let simulation = simulation { $0.stateDirectory = nil }
        try simulation.run()
        #expect(simulation.kernel.disk.isEmpty)
    }
}
