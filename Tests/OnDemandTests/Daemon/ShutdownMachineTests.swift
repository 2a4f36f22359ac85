import Testing

@testable import OnDemand

@Suite("Shutdown machine")
struct ShutdownMachineTests {
    private typealias Event = ShutdownMachine.Event

    /// The machine after some events, with all its effects.
    private func shutdown(_ events: [Event]) -> (machine: ShutdownMachine, effects: [ShutdownMachine.Effect]) {
        var machine = ShutdownMachine()
        let effects = events.flatMap { machine.apply($0) }
        return (machine, effects)
    }

    @Test(
        "each way to the end has its effects in order",
        arguments: [
            ([.signal, .drained, .stopped], [.drain, .arm(.drain), .stop, .arm(.stop), .finish]),
            ([.signal, .timeReached, .stopped], [.drain, .arm(.drain), .stop, .arm(.stop), .finish]),
            (
                [.signal, .signal, .stopped],
                [.drain, .arm(.drain), .stop, .arm(.stop), .force, .finish]
            ),
            (
                [.signal, .signal, .signal],
                [.drain, .arm(.drain), .stop, .arm(.stop), .force, .killAll, .finish]
            ),
            (
                [.signal, .drained, .signal, .signal],
                [.drain, .arm(.drain), .stop, .arm(.stop), .force, .killAll, .finish]
            ),
            (
                [.signal, .drained, .timeReached, .stopped],
                [.drain, .arm(.drain), .stop, .arm(.stop), .killAll, .arm(.kill), .finish]
            ),
            (
                [.signal, .drained, .timeReached, .timeReached],
                [.drain, .arm(.drain), .stop, .arm(.stop), .killAll, .arm(.kill), .finish]
            ),
            (
                [.signal, .drained, .timeReached, .signal],
                [.drain, .arm(.drain), .stop, .arm(.stop), .killAll, .arm(.kill), .killAll, .finish]
            ),
        ] as [([ShutdownMachine.Event], [ShutdownMachine.Effect])])
    func ways(_ events: [ShutdownMachine.Event], _ expected: [ShutdownMachine.Effect]) {
        let (machine, effects) = shutdown(events)
        #expect(effects == expected)
        #expect(machine.hasExited)
    }

    @Test("every sequence of six events: nothing before a signal, each stage once, three signals always suffice")
    func walk() {
        func visit(_ events: [Event]) {
            let (machine, effects) = shutdown(events)
            if !events.contains(.signal) { #expect(effects == [] && machine.isRunning, "\(events)") }
            for effect in [ShutdownMachine.Effect.drain, .stop, .force, .finish] {
                #expect(effects.count { $0 == effect } <= 1, "\(effect) after \(events)")
            }
            #expect(machine.hasExited == effects.contains(.finish), "\(events)")
            if events.count(where: { $0 == .signal }) >= 3 { #expect(machine.hasExited, "\(events)") }
            // Each stage ends by itself: its time limit is armed.
            if !machine.isRunning, !machine.hasExited {
                guard case .arm = effects.last(where: { if case .arm = $0 { true } else { false } }) else {
                    Issue.record("no time limit after \(events)")
                    return
                }
            }
            guard events.count < 6 else { return }
            for event in Event.allCases { visit(events + [event]) }
        }
        visit([])
    }
}
