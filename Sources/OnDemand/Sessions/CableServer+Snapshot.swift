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
        description.unheard = counters.unheard
        description.deliveries = counters.deliveries
        description.slowClients = counters.slowClients
        description.longestQueue = cable.machine.clients.queues.longest
        description.rejected = RejectionReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.ignored = IgnoredReason.allCases.map { .init(name: $0.word, count: Int(counters.count(of: $0))) }
        description.redis = cable.source.map { source in
            .init(state: source.isConnected ? .connected : source.isReachable ? .idle : .unreachable, gaps: source.gaps)
        }
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
