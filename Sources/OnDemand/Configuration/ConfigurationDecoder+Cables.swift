/// Decodes `cables`. Secrets are never part of a message, because messages end in logs.
extension ConfigurationDecoder {
    mutating func cables(_ node: ConfigurationNode) -> [CableDraft] {
        guard let items = items(of: node, expected: "a list of cables") else { return [] }
        if items.count > KeyRange.cables { report(node, "the list has more than \(KeyRange.cables) items") }
        return items.prefix(KeyRange.cables).map { cable($0) }
    }

    private mutating func cable(_ node: ConfigurationNode) -> CableDraft {
        var draft = CableDraft()
        guard let fields = fields(of: node, as: .cable) else { return draft }
        if let name = required("name", in: fields, purpose: "every log line of the cable begins with it") {
            draft.name = parsed(name, expected: "a name in quotes", by: Self.serviceName)
        }
        if let enabled = fields["enabled"] { draft.cable.enabled = flag(enabled) ?? true }
        if let path = required("path", in: fields, purpose: "it says where clients connect") {
            draft.paths = oneOrMore(path).compactMap { pattern($0) }
        }
        if let protocols = fields["protocols"] { self.protocols(protocols, into: &draft.cable) }
        if let origins = fields["allowed_origins"] { draft.cable.origins = cableOrigins(origins) }
        if let tokens = fields["jwt"] { draft.cable.tokens = self.tokens(tokens) }
        if let streams = fields["streams"] { draft.cable.streams = self.streams(streams) }
        if let broadcast = fields["broadcast"] { self.broadcast(broadcast, into: &draft) }
        if let redis = fields["redis"] { draft.cable.redis = self.redis(redis) }
        if let interval = fields["ping_interval"] {
            draft.cable.pingInterval = span(interval) ?? draft.cable.pingInterval
        }
        if let limits = fields["limits"] { draft.cable.limits = cableLimits(limits) }
        return draft
    }

    private mutating func protocols(_ node: ConfigurationNode, into cable: inout Configuration.Cable) {
        guard let items = items(of: node, expected: "a list such as [\"action_cable\"]") else { return }
        if items.isEmpty { report(node, "the list is empty; it needs at least one protocol") }
        (cable.actionCable, cable.turboCable) = (false, false)
        for item in items {
            let word = parsed(item, expected: "one of \(CableWord.protocols.joined(separator: ", "))") {
                text throws(ValueProblem) in
                guard CableWord.protocols.contains(text) else {
                    let suggestion = Suggestion.sentence(for: text, among: CableWord.protocols)
                    throw ValueProblem("is none of \(CableWord.protocols.joined(separator: ", "))\(suggestion)")
                }
                return text
            }
            if word?.value == CableWord.protocols[0] { cable.actionCable = true }
            if word?.value == CableWord.protocols[1] { cable.turboCable = true }
        }
    }

    private mutating func cableOrigins(_ node: ConfigurationNode) -> Configuration.Cable.Origins {
        let nodes = oneOrMore(node)
        let isSame = nodes.contains { node in
            if case .string(CableWord.sameOrigin) = node.value.content { true } else { false }
        }
        guard isSame else { return .listed(origins(node)) }
        if nodes.count > 1 { report(node, "\"same_origin\" stands alone; list the origins instead") }
        return .sameOrigin
    }

    private mutating func tokens(_ node: ConfigurationNode) -> Configuration.Cable.Tokens? {
        guard let fields = fields(of: node, as: .cableTokens),
            let secret = required("secret", in: fields, purpose: "it verifies tokens")
        else { return nil }
        var tokens = Configuration.Cable.Tokens(secret: self.secret(secret) ?? [])
        if let parameter = fields["parameter"] {
            tokens.parameter =
                parsed(parameter, expected: "a name in quotes", by: Self.serviceName)?.value ?? tokens.parameter
        }
        if let required = fields["required"] { tokens.isRequired = flag(required) ?? true }
        return tokens
    }

    /// nil where it is missing or too short. An empty one would accept what every client can sign.
    private mutating func secret(_ node: ConfigurationNode) -> [UInt8]? {
        guard let text = text(node, expected: "a secret in quotes") else { return nil }
        guard text.value.utf8.count >= KeyRange.secretBytes else {
            report(
                node,
                text.value.isEmpty
                    ? "the secret is empty; set it, or leave the key out"
                    : "the secret is shorter than \(KeyRange.secretBytes) bytes; use `openssl rand -hex 32`")
            return nil
        }
        return Array(text.value.utf8)
    }

    private mutating func streams(_ node: ConfigurationNode) -> Configuration.Cable.Streams {
        var streams = Configuration.Cable.Streams()
        guard let fields = fields(of: node, as: .cableStreams) else { return streams }
        if let names = fields["public"] { streams.publicStreams = publicStreams(names) }
        if let secret = fields["secret"] { streams.secret = self.secret(secret) }
        if let base = fields["rails_secret_key_base"] { streams.railsSecretKeyBase = self.secret(base) }
        if let channels = fields["channels"] { streams.channels = self.channels(channels) }
        return streams
    }

    private mutating func publicStreams(_ node: ConfigurationNode) -> PublicStreams {
        if case .boolean(let isPublic) = node.value.content { return isPublic ? .all : .none }
        guard let items = items(of: node, expected: "true, false, or a list of patterns such as [\"scores-*\"]") else {
            return .none
        }
        return .matching(
            items.compactMap { item in
                parsed(item, expected: "a pattern such as \"scores-*\"") { text throws(ValueProblem) in
                    guard !text.isEmpty else { throw ValueProblem("matches no stream") }
                    return StreamPattern(text)
                }?.value
            })
    }

    private mutating func channels(_ node: ConfigurationNode) -> [SubscriptionResolver.Channel] {
        guard let members = members(of: node) else { return [] }
        return members.compactMap { member in
            let value = ConfigurationNode(path: node.path(of: member.key), value: member.value)
            guard !member.key.isEmpty, member.key != "$pubsub", member.key != "Turbo::StreamsChannel" else {
                report(path: node.path, member.keyPosition, "\(member.key.quoted) cannot be mapped to a stream")
                return nil
            }
            let template = parsed(value, expected: "a stream name such as \"scores-{game}\"") {
                text throws(ValueProblem) in
                do throws(StreamTemplateError) {
                    return try StreamTemplate(text)
                } catch {
                    throw ValueProblem(error.sentence)
                }
            }
            return template.map { SubscriptionResolver.Channel(name: Array(member.key.utf8), template: $0.value) }
        }
    }

    private mutating func broadcast(_ node: ConfigurationNode, into draft: inout CableDraft) {
        guard let fields = fields(of: node, as: .cableBroadcast) else { return }
        var broadcast = Configuration.Cable.Broadcast()
        if let path = fields["path"] { draft.broadcastPath = pattern(path) }
        if let listen = fields["listen"] { draft.broadcastListen = address(listen) }
        if fields["path"] == nil, fields["listen"] == nil {
            report(node, "\"path\" or \"listen\" is missing; it says where programs post messages")
        }
        if let key = fields["key"] { broadcast.key = token(key) }
        if let size = fields["max_body_bytes"] {
            broadcast.maximumBodyBytes = self.size(size, in: KeyRange.bodyBytes) ?? broadcast.maximumBodyBytes
        }
        draft.cable.broadcast = broadcast
    }

    private mutating func redis(_ node: ConfigurationNode) -> Configuration.Cable.Redis? {
        guard let fields = fields(of: node, as: .cableRedis),
            let url = required("url", in: fields, purpose: "it says where the server is"),
            let text = text(url, expected: "a URL such as \"redis://127.0.0.1:6379/0\"")
        else { return nil }
        var redis: Configuration.Cable.Redis?
        do throws(RedisURLError) {
            redis = .init(url: try RedisURL(text.value), channelPrefix: nil)
        } catch {
            report(url, error.sentence)
        }
        if let prefix = fields["channel_prefix"] {
            let text = self.text(prefix, expected: "a string")?.value ?? ""
            redis?.channelPrefix = text.isEmpty ? nil : text
        }
        return redis
    }

    private mutating func cableLimits(_ node: ConfigurationNode) -> Configuration.CableLimits {
        var limits = Configuration.CableLimits()
        guard let fields = fields(of: node, as: .cableLimits) else { return limits }
        if let size = fields["max_message_size"] {
            limits.maximumMessageBytes =
                self.size(size, in: KeyRange.cableMessageBytes).map(Int.init) ?? limits.maximumMessageBytes
        }
        if let count = fields["max_connections"] {
            limits.maximumConnections = bound(count) { $0.integer($1, in: KeyRange.connections) } ?? nil
        }
        if let count = fields["max_subscriptions"] {
            limits.maximumSubscriptions = integer(count, in: KeyRange.subscriptions) ?? limits.maximumSubscriptions
        }
        if let size = fields["max_queued_bytes"] {
            limits.maximumQueuedBytes =
                self.size(size, in: KeyRange.queuedBytes).map(Int.init) ?? limits.maximumQueuedBytes
        }
        if let timeout = fields["send_timeout"] { limits.sendTimeout = span(timeout) ?? limits.sendTimeout }
        return limits
    }
}

/// One entry of `cables`; nil is what was missing or wrong and has been reported.
struct CableDraft {
    var name: Located<String>?
    var paths: [Located<PathPattern>] = []
    var broadcastPath: Located<PathPattern>?
    var broadcastListen: Located<SocketAddress>?
    /// Everything else.
    var cable = Configuration.Cable(name: "", paths: [])

    func finished() -> Configuration.Cable {
        guard let name else { preconditionFailure("a missing name has been reported") }
        var cable = cable
        cable.name = name.value
        cable.paths = paths.map(\.value)
        cable.broadcast?.path = broadcastPath?.value
        cable.broadcast?.listen = broadcastListen?.value
        return cable
    }
}
