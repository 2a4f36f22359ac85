@testable import OnDemand

/// The machine's answers in an operator's words, one section of docs/LIFECYCLE.md per place in life.
enum LifecycleTable {
    static var text: String {
        let sections = LifecyclePlace.allCases.map { LifecycleSection(place: $0).text }
        return sections.joined(separator: "\n\n") + "\n"
    }

    /// From word to word, as the picture must show them.
    static var arrows: Set<String> {
        let replies = LifecyclePlace.allCases.flatMap { LifecycleSection(place: $0).replies }
        let pairs = replies.map { ($0.from.word, $0.to.word) }
        return Set(pairs.filter { $0.0 != $0.1 }.map { "\($0.0) --> \($0.1)" })
    }
}

private struct LifecycleSection {
    let place: LifecyclePlace

    var replies: [LifecycleAnswer] {
        LifecycleEvent.allCases.flatMap { event in
            place.circumstances(of: event).map { LifecycleAnswer(from: place, event: event, circumstance: $0) }
        }
    }

    var text: String {
        let telling = replies.filter { !$0.isNothing }
        let silent = replies.filter(\.isNothing).map(\.shortEvent)
        var lines = ["### \(place.title)", "", "| what happens | next | what is done |", "|---|---|---|"]
        lines += telling.map { "| \($0.longEvent) | \($0.next) | \($0.effects) |" }
        if !silent.isEmpty { lines.append("| \(silent.joined(separator: ", ")) | stays | nothing |") }
        let impossible = LifecycleEvent.allCases.filter(place.impossible.contains).map { "`\($0.rawValue)`" }
        lines += ["", "Cannot happen: " + impossible.joined(separator: ", ") + "."]
        return lines.joined(separator: "\n")
    }
}

/// One row: what the machine said when it was asked.
private struct LifecycleAnswer {
    let from: LifecyclePlace
    let to: LifecyclePlace
    let longEvent: String
    let shortEvent: String
    let effects: String

    var isNothing: Bool { from == to && effects == "nothing" }
    var next: String { from == to ? "stays" : to.title }

    init(from: LifecyclePlace, event: LifecycleEvent, circumstance: LifecycleCircumstance) {
        self.from = from
        let before = circumstance.machine
        var after = before
        let commands = after.apply(circumstance.event, at: circumstance.now)
        to = LifecyclePlace(after)
        let words = commands.map { $0.words(event, circumstance.now) } + Self.memory(of: before, after, commands)
        effects = words.isEmpty ? "nothing" : words.joined(separator: "; ")
        let (name, condition) = ("`\(event.rawValue)`", circumstance.words)
        shortEvent = condition.isEmpty ? name : "\(name) (\(condition))"
        longEvent = "\(name): \(event.words)" + (condition.isEmpty ? "" : "; \(condition)")
    }

    /// What changes in the machine without an order to anybody.
    private static func memory(
        of before: BackendMachine, _ after: BackendMachine, _ commands: [BackendMachine.Effect]
    ) -> [String] {
        var words: [String] = []
        if after.queueLength > before.queueLength { words.append("hold the client") }
        if after.queueLength < before.queueLength, commands.isEmpty { words.append("forget the client") }
        if after.failures > before.failures { words.append("count a failure") }
        if after.failures < before.failures { words.append("forget past failures") }
        if case .stopping(let old) = before.state, case .stopping(let new) = after.state, old.exit != new.exit {
            words.append("remember how it ended")
        }
        if case .stopping(let old) = before.state, case .stopping(let new) = after.state {
            if new.startsAgain, !old.startsAgain { words.append("start it again afterwards") }
        }
        if after.standing != before.standing { words.append("remember that it is \(after.standing)") }
        return words
    }
}

extension BackendMachine.Effect {
    fileprivate func words(_ event: LifecycleEvent, _ now: Instant) -> String {
        switch self {
        case .acquireDependencies: "hold on to everything that it requires, and start what of it is not ready"
        case .releaseDependencies: "let go of everything that it required"
        case .checkAddress: "see whether anybody answers at its address"
        case .spawn: "run the command, as a new generation"
        case .startProbing: "knock at its address"
        case .stopProbing: "stop knocking"
        case .probeAgain: "knock at its address again, after a pause"
        case .suspendGate: "close the gate to newcomers until it accepts connections again"
        case .openGate: "open the gate"
        case .enterGate: "count the client as inside"
        case .tryCloseGate: "close the gate if nobody is inside"
        case .closeGateByForce: "close the gate, whoever is inside"
        case .admit: event.isAsking ? "let the client in" : "let everybody in who waits"
        case .refuse(_, let refusal, let retryAfter):
            "503 \(event.isAsking ? "to the client" : "to everybody who waits") "
                + "(`\(refusal.word)`)" + (retryAfter.map { ", come back in \($0.shortText)" } ?? "")
        case .arm(let timer, let instant): "set \(timer.words): \((instant - now).shortText)"
        case .disarm(let timer): "clear \(timer.words)"
        case .closeTunnels(_, let reason, let window):
            "close frames (\(CloseCode(reason))) to the WebSockets that are left, over \(window.shortText)"
        case .closeGate: "close the gate to newcomers"
        case .signal(let signal): "\(signal.name) to its family of processes"
        case .endGeneration: "end every connection to this generation"
        }
    }
}

extension BackendTimer {
    fileprivate var words: String {
        switch self {
        case .startup: "the startup timer"
        case .idle: "the idle timer"
        case .stopStep: "the stop timer"
        case .backoffTimer: "the rest"
        }
    }
}

extension LifecycleEvent {
    /// One client, which is answered alone.
    fileprivate var isAsking: Bool { [.wanted, .wantedIfAwake, .foundNobody].contains(self) }
}
