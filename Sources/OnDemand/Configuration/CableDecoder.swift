/// Decodes `cables`. No message repeats a secret, because messages end in logs.
struct CableDecoder {
    let reader: ConfigurationReader

    func cables(_ node: ConfigurationNode) -> [CableDraft] {
        guard let items = reader.items(of: node, expected: "a list of cables") else { return [] }
        if items.count > KeyRange.cables { reader.report(node, "the list has more than \(KeyRange.cables) items") }
        return items.prefix(KeyRange.cables).map { cable($0) }
    }

    private func cable(_ node: ConfigurationNode) -> CableDraft {
        var draft = CableDraft()
        guard let fields = reader.fields(of: node, as: .cable) else { return draft }
        if let name = reader.required("name", in: fields, purpose: "every log line of the cable begins with it") {
            draft.name = reader.name(name)
        }
        if let enabled = fields["enabled"] { draft.cable.enabled = reader.flag(enabled) ?? draft.cable.enabled }
        if let path = reader.required("path", in: fields, purpose: "it says where clients connect") {
            draft.paths = reader.oneOrMore(path).compactMap { reader.pattern($0) }
        }
        if let origins = fields["allowed_origins"] {
            draft.cable.origins = CableAccessDecoder(reader: reader).origins(origins)
        }
        if let tokens = fields["jwt"] { draft.cable.tokens = CableAccessDecoder(reader: reader).tokens(tokens) }
        if let streams = fields["streams"] {
            draft.cable.streams = CableStreamsDecoder(reader: reader).streams(streams)
        }
        if let broadcast = fields["broadcast"] {
            CableBroadcastDecoder(reader: reader).broadcast(broadcast, into: &draft)
        }
        if let redis = fields["redis"] {
            draft.redis = CableRedisDecoder(reader: reader).redis(redis)
            draft.cable.redis = draft.redis?.value
        }
        CableBackendDecoder(reader: reader).backend(fields, into: &draft)
        protocols(fields["protocols"], into: &draft.cable)
        if let interval = fields["ping_interval"] {
            draft.cable.pingInterval = reader.duration(interval, in: KeyRange.pingInterval) ?? draft.cable.pingInterval
            if draft.cable.actionCable, draft.cable.pingInterval > KeyRange.longestPingOfRails {
                let longest = KeyRange.longestPingOfRails.shortText
                reader.warn(interval, "Rails' client reconnects after 6s without a ping; use \(longest) or less")
            }
        }
        if let limits = fields["limits"] { draft.cable.limits = self.limits(limits) }
        return draft
    }

    /// The default depends on what accepts clients.
    private func protocols(_ node: ConfigurationNode?, into cable: inout Configuration.Cable) {
        guard let node else {
            cable.turboCable = cable.connect == .local
            return
        }
        let words = reader.oneOrMore(node).compactMap { reader.choice($0, of: CableProtocolWord.self) }
        cable.actionCable = words.contains(.actionCable)
        cable.turboCable = words.contains(.turboCable)
        if cable.turboCable, cable.connect == .backend {
            reader.warn(
                node,
                "TurboCable clients are accepted without the check of the backend, which they never reach; leave out"
                    + " \"turbo_cable\" if that check protects the streams")
        }
    }

    private func limits(_ node: ConfigurationNode) -> Configuration.CableLimits {
        var limits = Configuration.CableLimits()
        guard let fields = reader.fields(of: node, as: .cableLimits) else { return limits }
        if let size = fields["max_message_size"] {
            limits.maximumMessageBytes =
                reader.size(size, in: KeyRange.cableMessageBytes).map(Int.init) ?? limits.maximumMessageBytes
        }
        if let count = fields["max_connections"] {
            limits.maximumConnections =
                reader.bound(count, { reader.integer($0, in: KeyRange.connections) }) ?? limits.maximumConnections
        }
        if let count = fields["max_subscriptions"] {
            limits.maximumSubscriptions =
                reader.integer(count, in: KeyRange.subscriptions) ?? limits.maximumSubscriptions
        }
        if let size = fields["max_queued_bytes"] {
            limits.maximumQueuedBytes =
                reader.size(size, in: KeyRange.queuedBytes).map(Int.init) ?? limits.maximumQueuedBytes
        }
        if let timeout = fields["send_timeout"] { limits.sendTimeout = reader.span(timeout) ?? limits.sendTimeout }
        return limits
    }
}

/// The protocols as the configuration writes them.
enum CableProtocolWord: String, CaseIterable {
    case actionCable = "action_cable"
    case turboCable = "turbo_cable"
}

/// One entry of `cables`; nil is what was missing or wrong and has been reported.
struct CableDraft {
    /// Everything but its name and paths.
    var cable = Configuration.Cable(name: "", paths: [])
    var name: Located<String>?
    var paths: [Located<PathPattern>] = []
    /// What stands in `cable` too, with its place for the rules between fields.
    var broadcastPath: Located<PathPattern>?
    var broadcastListen: Located<ListenerSpec.Place>?
    var redis: Located<Configuration.Cable.Redis>?
    var backend: Located<String>?
    var hibernation: Located<Configuration.Cable.Hibernation>?

    func finished() -> Configuration.Cable {
        guard let name else { preconditionFailure("a missing name has been reported") }
        var cable = cable
        cable.name = name.value
        cable.paths = paths.map(\.value)
        return cable
    }
}
