/// The facts about a cable that only the cable server knows.
extension CableServer {
    func describe(_ id: CableID, in description: inout Snapshot.Cable) {
        guard cables.indices.contains(id.index), let cable = cables[id.index] else { return }
        let (table, counters) = (cable.machine.table, cable.machine.counters)
        description.clients = cable.machine.clientCount
        description.subscriptions = table.subscriptionCount
        description.streams = table.streamCount
        description.publications = cable.publications
        description.refusedPublications = cable.refusedPublications
        description.overloadedPublications = cable.overloadedPublications
        description.unheard = counters.unheard
        description.deliveries = counters.deliveries
        description.slowClients = counters.slowClients
        description.longestQueue = cable.machine.clients.queues.longest
        description.rejected = RejectionReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.ignored = IgnoredReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.redis = cable.source.map { source in
            .init(state: source.isConnected ? .connected : source.isReachable ? .idle : .unreachable, gaps: source.gaps)
        }
        if cable.hasBackend { description.backend = backend(of: id, cable) }
    }

    private func backend(of id: CableID, _ cable: Cable) -> Snapshot.Cable.Backend {
        var backend = Snapshot.Cable.Backend()
        var stateful = StatefulSubscriptions()
        for index in sessions.indices where sessions.peek(at: index, for: { $0.cable == id && $0.relay != nil }) {
            guard let machine = sessions.peek(at: index, for: { $0.relay?.machine }) else { continue }
            switch machine.state {
            case .attached, .detaching: backend.attached += 1
            case .hibernating: backend.hibernating += 1
            case .waking, .replaying, .restored: backend.waking += 1
            case .over: break
            }
            backend.queuedCommands += machine.queuedCommandCount
            for (reason, identifier, digest) in machine.stateReasons(cable.relayRules) {
                stateful.add(reason, identifier, digest)
            }
        }
        let counters = cable.hibernation
        backend.stateful = stateful.shown
        backend.wakes = zip(RelayMachine.WakeTrigger.allCases, counters.wakes).map {
            .init(name: $0.rawValue, count: Int($1))
        }
        backend.replayed = counters.replayed
        backend.disconnected = zip(RelayMachine.Disconnection.allCases, counters.disconnections).map {
            .init(name: $0.rawValue, count: Int($1))
        }
        backend.ignored = counters.ignoredCommands
        backend.sleptConnected = counters.slept(at: kernel.now())
        return backend
    }
}

/// Subscriptions that keep a backend awake, counted by reason and channel.
private struct StatefulSubscriptions {
    private struct Key: Hashable {
        let reason: RelayMachine.StateReason
        let digest: UInt32
    }

    private(set) var shown: [Snapshot.Cable.Stateful] = []
    /// Positions in `shown`; nil for a reason that is not shown.
    private var positions: [Key: Int?] = [:]

    /// Each identifier is read once, and only so many are: clients may have any number of long ones, and the status is
    /// asked for often.
    mutating func add(_ reason: RelayMachine.StateReason, _ identifier: [UInt8], _ digest: UInt32) {
        let isRead = positions.count < Limits.readStateReasons
        let key = Key(reason: reason, digest: digest)
        if let known = positions[key] {
            if let known { shown[known].subscriptions += 1 }
            return
        }
        let channel = isRead ? BackendChannels.channel(of: identifier) : ""
        var position = shown.firstIndex { $0.reason == reason.rawValue && $0.channel == channel }
        if let position {
            shown[position].subscriptions += 1
        } else if shown.count < Limits.shownStateReasons {
            shown.append(.init(reason: reason.rawValue, channel: channel, subscriptions: 1))
            position = shown.count - 1
        }
        if isRead { positions[key] = .some(position) }
    }
}

extension RejectionReason {
    /// For metrics and the API.
    var word: String {
        switch self {
        case .malformedIdentifier: "malformed_identifier"
        case .notPublic: "not_public"
        case .invalidSignature: "invalid_signature"
        case .unknownChannel: "unknown_channel"
        case .tooManySubscriptions: "too_many_subscriptions"
        case .identifierTooLong: "identifier_too_long"
        }
    }
}

extension IgnoredReason {
    /// For metrics and the API.
    var word: String {
        switch self {
        case .malformed: "malformed"
        case .unknownCommand: "unknown_command"
        case .noIdentifier: "no_identifier"
        case .notSubscribed: "not_subscribed"
        case .alreadyPending: "already_pending"
        case .actionOnStream: "action_on_stream"
        case .binary: "binary"
        case .notAllowed: "not_allowed"
        case .tooMany: "too_many"
        case .pong: "pong"
        }
    }
}
