import Testing

@testable import OnDemand

/// The machine's effects in an operator's words, one section of docs/HIBERNATION.md per situation.
enum RelayTable {
    static var text: String { RelayPlace.allCases.map(section).joined(separator: "\n\n") + "\n" }

    private static func section(_ place: RelayPlace) -> String {
        let rows = RelayOccurrence.allCases.map { RelayRow(place, $0) }
        let silent = rows.filter(\.isNothing).map(\.event)
        var lines = ["### \(place.rawValue.prefix(1).uppercased())\(place.rawValue.dropFirst())", ""]
        lines += ["| event | next state | effects |", "|---|---|---|"]
        lines += rows.filter { !$0.isNothing }.map { "| \($0.event) | \($0.next) | \($0.effects) |" }
        let others = silent.count > 8 ? "every other event" : silent.joined(separator: "; ")
        if !silent.isEmpty { lines.append("| \(others) | stays | nothing |") }
        return lines.joined(separator: "\n")
    }
}

/// The result of one event.
private struct RelayRow {
    let event: String
    let next: String
    let effects: String
    var isNothing: Bool { next == "stays" && effects == "nothing" }

    init(_ place: RelayPlace, _ occurrence: RelayOccurrence) {
        var bench = place.bench()
        let (before, queued) = (RelayPlace.state(bench.state), bench.machine.queuedCommandCount)
        var words: [String] = []
        for effect in bench.tell(occurrence.event) {
            let word = effect.words(occurrence)
            if words.last != word { words.append(word) }
        }
        if bench.machine.queuedCommandCount > queued { words.append("queue it") }
        let after = RelayPlace.state(bench.state)
        event = occurrence.rawValue
        next = before == after ? "stays" : after
        effects = words.isEmpty ? "nothing" : words.joined(separator: "; ")
    }
}

extension RelayMachine.Effect {
    fileprivate func words(_ occurrence: RelayOccurrence) -> String {
        switch self {
        case .acquire(let trigger): "ask for the backend (`\(trigger.rawValue)`)"
        case .acquireAgain: "try again after \(Limits.redialPause.shortText)"
        case .send:
            switch occurrence {
            case .welcome, .sid: "send its subscriptions again"
            case .mayLeave: "send the queued commands, in order"
            default: "send it to the backend"
            }
        case .sendBinary: "send it to the backend"
        case .pinged: "note that the backend is alive"
        case .deliver, .deliverBinary: "pass it to the client"
        case .confirm: "confirm it to the client"
        case .reject: "reject the subscription"
        case .beginDelivery: "deliver its streams from now on"
        case .endDelivery: "stop delivering its streams, once all messages from before have arrived"
        case .dropDelivery: "stop delivering its streams"
        case .listen: "listen to its streams"
        case .stopListening: "stop listening to its streams"
        case .closeUpstream: "close frame to the backend"
        case .abortUpstream: "drop the upstream or the attempt"
        case .takeLease: "hold a lease"
        case .returnLease: "return the lease"
        case .disconnect(let reason): "`disconnect` with `reconnect: true` (`\(reason.rawValue)`)"
        case .endClient: "close the client's connection"
        case .notify: "a second `welcome` to the client"
        case .count(.replayed): "count a replay"
        case .count(.ignoredCommand): "count an ignored command"
        }
    }
}
