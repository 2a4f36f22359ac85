import Testing

@testable import OnDemand

@Suite("Simulation: the ordinary life of a backend")
struct SimulationLifecycleTests {
    @Test("a first request wakes the backend and gets its response, and the backend goes back to sleep")
    func wakesAndSleeps() throws {
        let simulation = try Simulation.run(Scenario(clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.clients[0].exchanges[0].outcome == .answered(200))
    }

    @Test(
        "a chat is relayed byte for byte in both directions, whichever side ends it",
        arguments: ScenarioRequest.Chat.Ending.allCases)
    func chats(ending: ScenarioRequest.Chat.Ending) throws {
        let simulation = try Simulation.run(Scenario(clients: [.chat(.init(up: 20, down: 30, ending: ending))]))
        #expect(simulation.complaints == [])
        #expect(simulation.clients[0].exchanges[0].outcome == .chatted)
    }
}
