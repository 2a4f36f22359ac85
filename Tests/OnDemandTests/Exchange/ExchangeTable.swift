@testable import OnDemand

/// The machine's results in plain English, one section of docs/EXCHANGE.md per situation.
enum ExchangeTable {
    static var text: String { ExchangeSituation.allCases.map(section).joined(separator: "\n\n") + "\n" }

    /// Transitions from phase to phase.
    static var arrows: Set<String> {
        var arrows: Set<String> = []
        for situation in ExchangeSituation.allCases {
            let before = situation.bench()
            for occurrence in before.possible {
                var after = situation.bench()
                after.happen(occurrence)
                let (from, to) = (before.machine.place, after.machine.place)
                if from != to { arrows.insert("\(from) --> \(to)") }
            }
        }
        return arrows
    }

    private static func section(_ situation: ExchangeSituation) -> String {
        let bench = situation.bench()
        let possible = bench.possible
        var lines = ["### \(situation.rawValue)", ""]
        if let waits = waits(bench) { lines += [waits, ""] }
        guard !possible.isEmpty else { return lines.dropLast().joined(separator: "\n") }
        let rows = ExchangeOccurrence.allCases.filter(possible.contains).map { ExchangeRow(situation, $0) }
        lines += ["| event | next phase | effects |", "|---|---|---|"]
        lines += rows.filter { !$0.isNothing }.map { "| \($0.event) | \($0.next) | \($0.effects) |" }
        let silent = rows.filter(\.isNothing).map(\.event)
        if !silent.isEmpty { lines.append("| \(silent.joined(separator: "; ")) | stays | nothing |") }
        return lines.joined(separator: "\n")
    }

    /// The driver's step, and the time limit.
    private static func waits(_ bench: ExchangeBench) -> String? {
        let step = bench.step.words.map { "Step: \($0)." }
        let limit = bench.deadline.map { "Time limit: \($0.words)." }
        let parts = [step, limit].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }
}

/// The result of one event.
private struct ExchangeRow {
    let event: String
    let next: String
    let effects: String
    var isNothing: Bool { next == "stays" && effects == "nothing" }

    init(_ situation: ExchangeSituation, _ occurrence: ExchangeOccurrence) {
        var bench = situation.bench()
        _ = bench.takeLocalReply()
        let (before, step, hadLease) = (bench.machine.place, bench.step, bench.hasLease)
        let (request, keptAlive) = (bench.machine.request, bench.machine.request?.wantsKeepAlive)
        bench.happen(occurrence)
        var words: [String] = []
        if let reply = bench.takeLocalReply() { words.append("\(reply.status) to the client") }
        if bench.isClosed {
            words.append("close the connection")
        } else if bench.step != step || bench.machine.place != before, let step = bench.step.words {
            words.append(step)
        }
        if hadLease, !bench.hasLease { words.append("the lease is returned") }
        if keptAlive == true, request?.wantsKeepAlive == false, bench.machine.place != .over {
            words.append("no further request on the connection")
        }
        if occurrence == .newRules {
            let isNew = bench.machine.rules.services[0].limits.upstreamKeepAlive == nil
            words.append(isNew ? "it applies at once" : "it applies to the next request")
        }
        let after = bench.machine.place
        event = occurrence.rawValue
        next = before == after ? "stays" : "*\(after)*"
        effects = words.isEmpty ? "nothing" : words.joined(separator: "; ")
    }
}

extension ExchangeMachine.Step {
    /// nil: nothing to do.
    fileprivate var words: String? {
        switch self {
        case .admit: "check the limits of connections"
        case .enterGate: "ask the backend's gate"
        case .reject: "reject with 503"
        case .connect: "connect to the backend"
        case .serve: "ask the endpoint"
        case .receive(.client): "read from the client"
        case .receive(.upstream): "read from the backend"
        case .send(.client): "send to the client"
        case .send(.upstream): "send to the backend"
        case .releaseUpstream: "close the backend's connection, return the lease if one is held"
        case .keepUpstream: "return the lease, keep the backend's connection"
        case .endSendingToClient: "end our direction"
        case .openTunnel: "open the tunnel"
        case .terminate(let reason) where reason.isAbrupt: "reset the connection (`\(reason.rawValue)`)"
        case .terminate(let reason): "close the connection (`\(reason.rawValue)`)"
        case .rest: nil
        }
    }
}

extension ExchangeMachine.Deadline {
    fileprivate var words: String {
        switch self {
        case .head: "`header_timeout`"
        case .keepAlive: Limits.keepAliveTimeout.shortText
        case .idleUpstream: "`upstream_keep_alive`"
        case .body: "`body_timeout`"
        case .connect: Limits.connectTimeout.shortText
        case .response: "`response_timeout`"
        case .flush: "`send_timeout`"
        case .linger: Limits.lingerTimeout.shortText
        case .departure: Limits.departureTimeout.shortText
        }
    }
}
