@testable import OnDemand

/// The machine's results in an operator's words, one section of docs/LIFECYCLE.md per stage.
enum LifecycleTable {
    static var text: String {
        let sections = LifecyclePlace.allCases.map { LifecycleSection(place: $0).text }
        return sections.joined(separator: "\n\n") + "\n"
    }

    /// Transitions from state to state, as the picture must show them.
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
        var lines = ["### \(place.title)", "", "| event | next state | effects |", "|---|---|---|"]
        lines += telling.map { "| \($0.longEvent) | \($0.next) | \($0.effects) |" }
        if !silent.isEmpty { lines.append("| \(silent.joined(separator: ", ")) | stays | nothing |") }
        let impossible = LifecycleEvent.allCases.filter(place.impossible.contains).map { "`\($0.rawValue)`" }
        lines += ["", "Cannot happen: " + impossible.joined(separator: ", ") + "."]
        return lines.joined(separator: "\n")
    }
}

/// One row: the result of one event.
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
        let performed = after.apply(circumstance.event, at: circumstance.now)
        to = LifecyclePlace(after)
        let words = performed.map { $0.words(event, circumstance.now) } + Self.memory(of: before, after, performed)
        effects = words.isEmpty ? "nothing" : words.joined(separator: "; ")
        let (name, condition) = ("`\(event.rawValue)`", circumstance.words)
        shortEvent = condition.isEmpty ? name : "\(name) (\(condition))"
        longEvent = "\(name): \(event.words)" + (condition.isEmpty ? "" : "; \(condition)")
    }

    /// Changes of the machine without an effect.
    private static func memory(
        of before: BackendMachine, _ after: BackendMachine, _ performed: [BackendMachine.Effect]
    ) -> [String] {
        var words: [String] = []
        if after.queueLength > before.queueLength { words.append("queue the request") }
        if after.queueLength < before.queueLength, performed.isEmpty { words.append("drop the request") }
        if after.failures > before.failures { words.append("count a failure") }
        if after.failures < before.failures { words.append("reset the failure count") }
        if case .stopping(let old) = before.state, case .stopping(let new) = after.state, old.exit != new.exit {
            words.append("store the exit status")
        }
        if case .stopping(let old) = before.state, case .stopping(let new) = after.state {
            if new.startsAgain, !old.startsAgain { words.append("plan a start after it") }
        }
        if after.standing != before.standing { words.append("store that it is \(after.standing)") }
        return words
    }
}

extension BackendMachine.Effect {
    fileprivate func words(_ event: LifecycleEvent, _ now: Instant) -> String {
        switch self {
        case .acquireDependencies: "acquire its dependencies, and start those that are not ready"
        case .releaseDependencies: "release its dependencies"
        case .checkAddress: "check its address for a listener"
        case .spawn: "run the command, as a new generation"
        case .startProbing: "probe its address"
        case .stopProbing: "stop probing"
        case .probeAgain: "probe its address again, after a pause"
        case .suspendGate: "suspend the gate until it accepts connections again"
        case .openGate: "open the gate"
        case .enterGate: "take a lease for the client"
        case .tryCloseGate: "close the gate if no lease is out"
        case .closeGateByForce: "close the gate by force"
        case .admit: event.isAsking ? "admit the client" : "admit the queued requests"
        case .refuse(_, let refusal, let retryAfter):
            "503 \(event.isAsking ? "to the client" : "to the queued requests") "
                + "(`\(refusal.word)`)" + (retryAfter.map { ", `Retry-After` \($0.shortText)" } ?? "")
        case .arm(let timer, let instant): "set \(timer.words): \((instant - now).shortText)"
        case .disarm(let timer): "clear \(timer.words)"
        case .closeTunnels(_, let reason, let window):
            "close frames (\(CloseCode(reason))) to the open WebSockets, over \(window.shortText)"
        case .closeGate: "close the gate to new requests"
        case .signal(let signal): "\(signal.name) to its process tree"
        case .endGeneration: "close every connection to this generation"
        }
    }
}

extension BackendTimer {
    fileprivate var words: String {
        switch self {
        case .startup: "the startup timer"
        case .idle: "the idle timer"
        case .stopStep: "the stop timer"
        case .backoffTimer: "the backoff timer"
        }
    }
}

extension LifecycleEvent {
    /// A request of one client, with a result of its own.
    fileprivate var isAsking: Bool { [.wanted, .wantedIfAwake, .listenerMissing].contains(self) }
}
