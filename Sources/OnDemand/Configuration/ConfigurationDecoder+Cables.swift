/// Decodes `cables`. No message repeats a secret, because messages end in logs.
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
        if let enabled = fields["enabled"] { draft.cable.enabled = flag(enabled) ?? draft.cable.enabled }
        if let path = required("path", in: fields, purpose: "it says where clients connect") {
            draft.paths = oneOrMore(path).compactMap { pattern($0) }
        }
        if let origins = fields["allowed_origins"] { draft.cable.origins = cableOrigins(origins) }
        if let tokens = fields["jwt"] { draft.cable.tokens = self.tokens(tokens) }
        if let streams = fields["streams"] { draft.cable.streams = self.streams(streams) }
        if let broadcast = fields["broadcast"] { self.broadcast(broadcast, into: &draft) }
        if let redis = fields["redis"] {
            draft.redis = self.redis(redis)
            draft.cable.redis = draft.redis?.value
        }
        backend(fields, into: &draft)
        protocols(fields["protocols"], into: &draft.cable)
        if let interval = fields["ping_interval"] {
            draft.cable.pingInterval = duration(interval, in: KeyRange.pingInterval) ?? draft.cable.pingInterval
            if draft.cable.actionCable, draft.cable.pingInterval > KeyRange.longestPingOfRails {
                let longest = KeyRange.longestPingOfRails.shortText
                warn(interval, "Rails' client reconnects after 6s without a ping; use \(longest) or less")
            }
        }
        if let limits = fields["limits"] { draft.cable.limits = cableLimits(limits) }
        return draft
    }

    /// The default depends on what accepts clients.
    private mutating func protocols(_ node: ConfigurationNode?, into cable: inout Configuration.Cable) {
        guard let node else {
            cable.turboCable = cable.connect == .local
            return
        }
        let words = oneOrMore(node).compactMap { choice($0, of: CableProtocolWord.self) }
        cable.actionCable = words.contains(.actionCable)
        cable.turboCable = words.contains(.turboCable)
        if cable.turboCable, cable.connect == .backend {
            warn(
                node,
                "TurboCable clients are accepted without the check of the backend, which they never reach; leave out"
                    + " \"turbo_cable\" if that check protects the streams")
        }
    }

    private mutating func cableOrigins(_ node: ConfigurationNode) -> Configuration.Cable.Origins {
        let items = oneOrMore(node)
        let expected = "\"same_origin\", or an origin such as \"https://example.com\""
        let found = items.compactMap { parsed($0, expected: expected, by: Self.cableOrigin) }
        let rules = found.compactMap(\.value)
        guard rules.count < found.count else { return .listed(rules) }
        if items.count > 1 { report(node, "\"same_origin\" stands alone; list the cable's own origin instead") }
        return .sameOrigin
    }

    /// nil for the word `same_origin`.
    private static func cableOrigin(_ text: String) throws(ValueProblem) -> OriginRule? {
        guard text != sameOrigin else { return nil }
        // A word that is almost this one is no origin with a mistake in it.
        let suggestion = Suggestion.sentence(for: text, among: [sameOrigin])
        guard suggestion.isEmpty else { throw ValueProblem("is not an origin\(suggestion)") }
        return try OriginParser.parse(text)
    }

    private static let sameOrigin = "same_origin"

    private mutating func tokens(_ node: ConfigurationNode) -> Configuration.Cable.Tokens? {
        guard let fields = fields(of: node, as: .cableTokens) else { return nil }
        var tokens = Configuration.Cable.Tokens(secret: [])
        if let secret = required("secret", in: fields, purpose: "it is the key of the tokens' signatures"),
            let text = secretText(secret, expected: "a secret in quotes")
        {
            tokens.secret = Array(text.value.utf8)
            if tokens.secret.isEmpty {
                report(secret, "the secret\(text.source) is empty; without \"jwt\" clients need no token")
            } else if tokens.secret.count < KeyRange.tokenSecretBytes {
                warn(
                    secret,
                    "the secret\(text.source) has \(tokens.secret.count) bytes; HS256 needs"
                        + " \(KeyRange.tokenSecretBytes) or more (RFC 7518, 3.2)")
            }
        }
        if let parameter = fields["parameter"] {
            tokens.parameter =
                parsed(parameter, expected: "the name of a query parameter", by: Self.parameterName)?
                .value ?? tokens.parameter
        }
        if let isRequired = fields["required"] { tokens.isRequired = flag(isRequired) ?? tokens.isRequired }
        return tokens
    }

    /// What stands in a query as it is, so that it is found without decoding.
    private static func parameterName(_ text: String) throws(ValueProblem) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-._~".utf8.contains(byte)
            }
        }
        guard isPlain, KeyRange.parameterNameBytes.contains(text.utf8.count) else {
            let most = KeyRange.parameterNameBytes.upperBound
            throw ValueProblem(
                "is not a parameter name; names have 1 to \(most) letters, digits, dots, dashes, underscores, tildes")
        }
        return text
    }
}

// MARK: - Streams

extension ConfigurationDecoder {
    private mutating func streams(_ node: ConfigurationNode) -> Configuration.Cable.Streams {
        var streams = Configuration.Cable.Streams()
        guard let fields = fields(of: node, as: .cableStreams) else { return streams }
        if let names = fields["public"] { streams.publicStreams = publicStreams(names) }
        streams.secret = fields["secret"].flatMap { optionalSecret($0) }
        streams.railsSecretKeyBase = fields["rails_secret_key_base"].flatMap { optionalSecret($0) }
        if let channels = fields["channels"] { streams.channels = self.channels(channels) }
        return streams
    }

    /// An empty one is none, and signed names are rejected: a variable may leave out one of two keys.
    private mutating func optionalSecret(_ node: ConfigurationNode) -> [UInt8]? {
        guard let text = secretText(node, expected: "a secret in quotes"), !text.value.isEmpty else { return nil }
        return Array(text.value.utf8)
    }

    private mutating func publicStreams(_ node: ConfigurationNode) -> PublicStreams {
        switch node.value.content {
        case .boolean(let isPublic): return isPublic ? .all : .none
        case .array(let items):
            if items.count > KeyRange.publicPatterns {
                report(node, "the list has more than \(KeyRange.publicPatterns) items")
            }
            let nodes = items.prefix(KeyRange.publicPatterns).enumerated().map { node.item($0.offset, $0.element) }
            let patterns = nodes.compactMap { item in
                parsed(item, expected: "a pattern such as \"live-*\"", by: Self.streamPattern)?.value
            }
            return items.isEmpty ? .none : .matching(patterns)
        case .null, .number, .string, .object:
            reportType(of: node, expected: "true, false, or a list of patterns such as [\"live-*\"]")
            return .none
        }
    }

    private static func streamPattern(_ text: String) throws(ValueProblem) -> StreamPattern {
        guard !text.isEmpty else { throw ValueProblem("is empty, and so matches no stream") }
        guard text.utf8.count <= Limits.streamNameBytes else { throw tooLongForStream }
        return StreamPattern(text)
    }

    private static let tooLongForStream = ValueProblem(
        "is longer than the \(Limits.streamNameBytes) bytes that a stream's name may have")

    private mutating func channels(_ node: ConfigurationNode) -> [SubscriptionResolver.Channel] {
        guard let members = members(of: node) else { return [] }
        if members.count > KeyRange.mappedChannels {
            report(node, "the object has more than \(KeyRange.mappedChannels) keys")
        }
        return members.prefix(KeyRange.mappedChannels).compactMap { member in
            guard let sentence = Self.problem(withChannel: member.key) else {
                let value = ConfigurationNode(path: node.path(of: member.key), value: member.value)
                let template = parsed(
                    value, expected: "a stream such as \"live-scores-{database}\"", by: Self.streamTemplate)
                if template?.value.isOpen == true {
                    warn(
                        value,
                        "a client chooses the whole name, so every stream may be subscribed to; write text before the"
                            + " first {param}")
                }
                return template.map { .init(name: Array(member.key.utf8), template: $0.value) }
            }
            report(path: node.path, member.keyPosition, "\(member.key.quoted) \(sentence)")
            return nil
        }
    }

    private static func problem(withChannel name: String) -> String? {
        if ["$pubsub", "Turbo::StreamsChannel"].contains(name) {
            return "is always served by the daemon; leave it out"
        }
        guard KeyRange.channelNameBytes.contains(name.utf8.count) else {
            return "is not a channel; a class name has 1 to \(KeyRange.channelNameBytes.upperBound) bytes"
        }
        return nil
    }

    static func streamTemplate(_ text: String) throws(ValueProblem) -> StreamTemplate {
        guard text.utf8.count <= Limits.streamNameBytes else { throw tooLongForStream }
        guard !StreamName.isReserved(Array(text.utf8)) else {
            throw ValueProblem("is a name that Action Cable or AnyCable use themselves, so no client may have it")
        }
        do throws(StreamTemplateError) {
            return try StreamTemplate(text)
        } catch {
            throw ValueProblem("is not usable: \(error.sentence)")
        }
    }
}

// MARK: - Where messages come from

extension ConfigurationDecoder {
    private mutating func broadcast(_ node: ConfigurationNode, into draft: inout CableDraft) {
        guard let fields = fields(of: node, as: .cableBroadcast) else { return }
        var broadcast = Configuration.Cable.Broadcast()
        if let path = fields["path"] { draft.broadcastPath = pattern(path) }
        if let listen = fields["listen"] { draft.broadcastListen = place(listen) }
        broadcast.path = draft.broadcastPath?.value
        broadcast.listen = draft.broadcastListen?.value
        if fields["path"] == nil, fields["listen"] == nil {
            report(node, "where programs post is missing; set \"path\", \"listen\" or both")
        }
        if let key = fields["key"] { broadcast.key = accessKey(key) }
        if let bytes = fields["max_body_bytes"] {
            broadcast.maximumBodyBytes =
                size(bytes, in: KeyRange.broadcastBytes) ?? broadcast.maximumBodyBytes
        }
        draft.cable.broadcast = broadcast
    }

    /// An address, or `fd:NAME`.
    private mutating func place(_ node: ConfigurationNode) -> Located<ListenerSpec.Place>? {
        if case .string(let text) = node.value.content, text.hasPrefix("fd:") {
            return inheritedName(node).map { node.located(.inherited($0.value)) }
        }
        return address(node).map { node.located(.address($0.value)) }
    }

    /// An empty one is a mistake: without a key every program on this machine may broadcast.
    mutating func accessKey(_ node: ConfigurationNode) -> BearerToken? {
        guard let text = secretText(node, expected: "a key in quotes") else { return nil }
        let range = Limits.accessKeyBytes
        guard range.contains(text.value.utf8.count) else {
            report(
                node,
                "the key\(text.source) has \(text.value.utf8.count) bytes; write \(range.lowerBound) to"
                    + " \(range.upperBound), as `openssl rand -hex 32` does")
            return nil
        }
        if let key = BearerToken.accessKey(text.value) { return key }
        report(node, "the key\(text.source) has a space or control character, which no Authorization header can have")
        return nil
    }

    private mutating func redis(_ node: ConfigurationNode) -> Located<Configuration.Cable.Redis>? {
        guard let fields = fields(of: node, as: .cableRedis) else { return nil }
        let prefix = fields["channel_prefix"].flatMap { channelPrefix($0) } ?? ""
        guard let node = required("url", in: fields, purpose: "it says where the Redis server is"),
            let url = redisURL(node)
        else { return nil }
        return node.located(Configuration.Cable.Redis(url: url, channelPrefix: prefix.isEmpty ? nil : prefix))
    }

    /// It may hold a password, so no message repeats it.
    private mutating func redisURL(_ node: ConfigurationNode) -> RedisURL? {
        guard let text = secretText(node, expected: "a URL such as \"redis://127.0.0.1:6379/0\"") else { return nil }
        do throws(RedisURLError) {
            return try RedisURL(text.value)
        } catch {
            report(node, "the URL\(text.source) is not usable: \(error.sentence)")
            return nil
        }
    }

    private mutating func channelPrefix(_ node: ConfigurationNode) -> String? {
        parsed(node, expected: "a prefix in quotes") { text throws(ValueProblem) in
            guard text.utf8.count <= KeyRange.channelPrefixBytes else {
                throw ValueProblem("is longer than \(KeyRange.channelPrefixBytes) bytes")
            }
            return text
        }?.value
    }
}

// MARK: - Limits and secrets

extension ConfigurationDecoder {
    private mutating func cableLimits(_ node: ConfigurationNode) -> Configuration.CableLimits {
        var limits = Configuration.CableLimits()
        guard let fields = fields(of: node, as: .cableLimits) else { return limits }
        if let size = fields["max_message_size"] {
            limits.maximumMessageBytes =
                self.size(size, in: KeyRange.cableMessageBytes).map(Int.init) ?? limits.maximumMessageBytes
        }
        if let count = fields["max_connections"] {
            limits.maximumConnections =
                bound(count, { $0.integer($1, in: KeyRange.connections) }) ?? limits.maximumConnections
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

    mutating func duration(_ node: ConfigurationNode, in range: ClosedRange<Duration>) -> Duration? {
        guard let duration = duration(node)?.value else { return nil }
        guard range.contains(duration) else {
            report(node, "expected a duration from \(range.lowerBound.shortText) to \(range.upperBound.shortText)")
            return nil
        }
        return duration
    }

    /// A string that no message repeats, and where it comes from, such as ` from ${NAME}`.
    private mutating func secretText(
        _ node: ConfigurationNode, expected: String
    ) -> (value: String, source: String)? {
        guard case .string(let template) = node.value.content else {
            report(node, "expected \(expected)")
            return nil
        }
        do throws(ValueProblem) {
            let expanded = try interpolation.expand(template)
            let origins = expanded.origins.map { "${\($0)}" }.joined(separator: ", ")
            return (expanded.text, origins.isEmpty ? "" : " from \(origins)")
        } catch {
            report(node, error.predicate)
            return nil
        }
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
