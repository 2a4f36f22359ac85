import Testing

@testable import OnDemand

@Suite("Simulation: the ordinary life of a backend")
struct SimulationLifecycleTests {
    @Test("a first request wakes the backend, is answered, and the backend goes back to sleep")
    func wakesAndSleeps() throws {
        let simulation = try Simulation.run(Scenario(clients: [.get()]))
        #expect(simulation.complaints == [])
        #expect(simulation.clients[0].exchanges[0].outcome == .answered(200))
    }

    @Test("a chat is carried byte for byte in both directions, whoever ends it", arguments: Wish.Chat.Ending.allCases)
    func chats(ending: Wish.Chat.Ending) throws {
        let simulation = try Simulation.run(Scenario(clients: [.chat(.init(up: 20, down: 30, ending: ending))]))
        #expect(simulation.complaints == [])
        #expect(simulation.clients[0].exchanges[0].outcome == .chatted)
    }
}
