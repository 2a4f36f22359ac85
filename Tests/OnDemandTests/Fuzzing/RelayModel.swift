@testable import OnDemand

/// A relay machine with an oracle, which knows what must be true of every step, whatever the events are.
struct RelayModel {
    private(set) var machine: RelayMachine
    var rules: RelayMachine.Rules
    /// Identifiers whose streams the cable delivers, and those whose streams it listens to.
    private(set) var delivering: Set<[UInt8]> = []
    private(set) var listening: Set<[UInt8]> = []
    /// The first broken invariant.
    private(set) var violation: String?

    init(isAttached: Bool, rules: RelayMachine.Rules) {
        machine = RelayMachine(isAttached: isAttached)
        self.rules = rules
    }

    @discardableResult
    mutating func apply(_ event: RelayMachine.Event) -> [RelayMachine.Effect] {
        let before = machine
        var effects: [RelayMachine.Effect] = []
        machine.apply(event, rules, &effects)
        let step = RelayStep(before: before, event: event, after: machine, effects: effects, rules: rules)
        if let broken = step.violation { fail(broken) }
        for effect in effects { note(effect) }
        checkDelivery()
        return effects
    }

    private mutating func fail(_ invariant: String) {
        if violation == nil { violation = invariant }
    }

    // MARK: Deliveries

    private mutating func note(_ effect: RelayMachine.Effect) {
        switch effect {
        case .beginDelivery(let identifier, let streams):
            if streams.isEmpty { fail("a delivery without a stream") }
            delivering.insert(identifier)
        case .endDelivery(let identifier):
            if delivering.remove(identifier) == nil { fail("the end of a delivery that did not begin") }
        case .dropDelivery(let identifier):
            delivering.remove(identifier)
            if listening.remove(identifier) == nil { fail("streams are given up that were not listened to") }
        case .listen:
            let new = machine.journal.subscriptions.filter { $0.isListened }.map(\.identifier)
            if listening.isSuperset(of: new) { fail("streams are listened to twice") }
            listening.formUnion(new)
        case .disconnect, .endClient: (delivering, listening) = ([], [])
        default: break
        }
    }

    /// While the backend cannot deliver, the cable does.
    private mutating func checkDelivery() {
        guard machine.state != .over else { return }
        let streaming = machine.journal.subscriptions.filter { $0.properties.streams?.isEmpty == false }
        let confirmed = rules.hibernates ? streaming.filter { $0.progress != .requested } : []
        if listening != Set(confirmed.map(\.identifier)) { fail("listens for \(listening), not for \(confirmed)") }
        let owed =
            confirmed.filter { subscription in
                guard rules.hasSource else { return true }
                return switch machine.state {
                case .hibernating, .waking, .detaching: true
                case .replaying, .restored: subscription.progress == .replayed
                case .attached, .over: false
                }
            }
        let missing = Set(owed.map(\.identifier)).symmetricDifference(delivering)
        if !missing.isEmpty { fail("the cable and the backend both or neither deliver \(missing.count) subscriptions") }
    }
}

/// One event with its effects.
private struct RelayStep {
    let before: RelayMachine
    let event: RelayMachine.Event
    let after: RelayMachine
    let effects: [RelayMachine.Effect]
    let rules: RelayMachine.Rules

    private var isOver: Bool { after.state == .over }

    var violation: String? {
        guard before.state != .over else {
            return effects.isEmpty && isOver ? nil : "\(effects) after the end"
        }
        return fateOfCommands ?? orderOfMessages ?? leases ?? end ?? wake ?? restorable
    }

    // MARK: Commands

    private static func queue(of machine: RelayMachine) -> [[UInt8]] {
        switch machine.state {
        case .waking(let queue), .replaying(let queue), .restored(let queue), .detaching(let queue): queue.commands
        case .hibernating, .attached, .over: []
        }
    }

    private var sent: [[UInt8]] {
        effects.compactMap { effect in
            switch effect {
            case .send(let text), .sendBinary(let text): text
            default: nil
            }
        }
    }

    /// Subscriptions that are made again, in order.
    private var replays: [[UInt8]] {
        guard case .waking = before.state, case .message(let text) = event,
            case .welcome = UpstreamMessage.read(text.span), !isOver
        else { return [] }
        return before.journal.subscriptions.map { subscription in
            Array(#"{"command":"subscribe","identifier":"#.utf8) + subscription.identifier + [UInt8(ascii: "}")]
        }
    }

    /// No command is lost, sent twice or overtaken.
    private var fateOfCommands: String? {
        var commands = Self.queue(of: before)
        switch event {
        case .clientCommand(let text), .clientSentBinary(let text): commands.append(text)
        default: break
        }
        let (sent, replays) = (sent, replays)
        guard sent.starts(with: replays) else { return "not all subscriptions were made again, in order" }
        let own = sent[replays.count...]
        guard !isOver else { return own.isEmpty ? nil : "a command was sent at the end" }
        if !own.isEmpty, !after.isAttached { return "a command was sent while \(after.state)" }
        let left = Array(own) + Self.queue(of: after)
        var next = left.startIndex
        for command in commands where next < left.endIndex && left[next] == command { next += 1 }
        guard next == left.endIndex else { return "a command was sent twice, invented or overtaken" }
        let answers = effects.count { effect in
            switch effect {
            case .confirm, .reject, .count(.ignoredCommand): true
            case .endDelivery, .dropDelivery, .stopListening: false
            default: false
            }
        }
        // An unsubscription that the cable executes itself has no answer.
        let executed = max(0, before.journal.count - after.journal.count)
        let silent = commands.count - left.count - answers
        return (0...executed).contains(silent) ? nil : "\(silent) of \(commands.count) commands were lost"
    }

    // MARK: Messages

    private var delivered: [[UInt8]] {
        effects.compactMap { effect in
            switch effect {
            case .deliver(let text), .deliverBinary(let text): text
            default: nil
            }
        }
    }

    private var hasUpstream: Bool {
        switch before.state {
        case .waking, .replaying, .restored, .attached, .detaching: true
        case .hibernating, .over: false
        }
    }

    private var orderOfMessages: String? {
        guard case .message(let text) = event else {
            guard case .upstreamSentBinary(let payload) = event else {
                return delivered.isEmpty ? nil : "a message out of nothing"
            }
            return delivered == (hasUpstream ? [payload] : []) ? nil : "a binary message was lost"
        }
        guard delivered.allSatisfy({ $0 == text }), delivered.count <= 1 else { return "another message was delivered" }
        guard hasUpstream else { return effects.isEmpty ? nil : "a message without an upstream" }
        switch UpstreamMessage.read(text.span) {
        case .data: return delivered.count == 1 ? nil : "data was lost"
        case .ping:
            let isAlone = effects.allSatisfy { [.pinged, .takeLease, .returnLease].contains($0) }
            return isAlone && effects.first == .pinged ? nil : "a ping is not for the client"
        case .welcome, .confirmation:
            guard case .attached = before.state else {
                return delivered.isEmpty ? nil : "the client got a message of the replay"
            }
            return nil
        case .disconnect(.remote): return delivered.count == 1 ? nil : "the client was not told its disconnection"
        case .rejection, .disconnect: return nil
        }
    }

    // MARK: Leases, ends and wakes

    private var leases: String? {
        let changes = effects.filter { $0 == .takeLease || $0 == .returnLease }
        guard case .attached(let attachment) = after.state else {
            return changes.isEmpty ? nil : "a lease changed without an upstream"
        }
        let wasCounted: Bool
        if case .attached(let earlier) = before.state { wasCounted = earlier.isCounted } else { wasCounted = true }
        let expected: [RelayMachine.Effect] =
            wasCounted == attachment.isCounted ? [] : [attachment.isCounted ? .takeLease : .returnLease]
        guard changes == expected else { return "\(changes) instead of \(expected)" }
        guard after.stateReasons(rules).isEmpty == after.isRestorable(rules) else { return "no reason to stay awake" }
        let isNeeded = rules.clientsKeepAwake && !(attachment.isWelcomed && after.isRestorable(rules))
        return attachment.isCounted == isNeeded ? nil : "a lease is \(isNeeded ? "missing" : "held in vain")"
    }

    private var end: String? {
        let ends = effects.count { effect in
            switch effect {
            case .disconnect, .endClient: true
            default: false
            }
        }
        return ends == (isOver ? 1 : 0) ? nil : "\(ends) ends in \(after.state)"
    }

    private var wake: String? {
        let attempts = effects.count { effect in
            switch effect {
            case .acquire, .acquireAgain: true
            default: false
            }
        }
        guard case .waking = after.state else { return attempts == 0 ? nil : "an attempt in \(after.state)" }
        if case .waking = before.state { return attempts <= 1 ? nil : "two attempts at once" }
        return attempts == 1 ? nil : "waking without an attempt"
    }

    /// Only a client that can be restored is without an upstream.
    private var restorable: String? {
        if case .attached = after.state { return nil }
        guard !isOver else { return nil }
        let isRestorable = after.journal.subscriptions.allSatisfy { subscription in
            subscription.properties.isReplayable && !subscription.hasState && subscription.progress != .requested
        }
        guard isRestorable, rules.hibernates || after.journal.isEmpty else { return "not restorable: \(after.journal)" }
        if after.state == .hibernating, after.isOpaque, after.hadUpstream { return "an opaque client hibernates" }
        if case .replaying = after.state { return nil }
        let isReplayed = after.journal.subscriptions.contains { $0.progress == .replayed }
        return isReplayed ? "a replay in \(after.state)" : nil
    }
}
