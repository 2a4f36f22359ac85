/// Decodes `streams` of a cable: the streams that clients may subscribe to.
struct CableStreamsDecoder {
    let reader: ConfigurationReader

    func streams(_ node: ConfigurationNode) -> Configuration.Cable.Streams {
        var streams = Configuration.Cable.Streams()
        guard let fields = reader.fields(of: node, as: .cableStreams) else { return streams }
        if let names = fields["public"] { streams.publicStreams = publicStreams(names) }
        streams.secret = fields["secret"].flatMap { optionalSecret($0) }
        streams.railsSecretKeyBase = fields["rails_secret_key_base"].flatMap { optionalSecret($0) }
        if let channels = fields["channels"] { streams.channels = self.channels(channels) }
        return streams
    }

    /// An empty one is none, and signed names are rejected: a variable may leave out one of two keys.
    private func optionalSecret(_ node: ConfigurationNode) -> [UInt8]? {
        guard let text = reader.secretText(node, expected: "a secret in quotes"), !text.value.isEmpty else {
            return nil
        }
        return Array(text.value.utf8)
    }

    private func publicStreams(_ node: ConfigurationNode) -> PublicStreams {
        switch node.value.content {
        case .boolean(let isPublic): return isPublic ? .all : .none
        case .array(let items):
            if items.count > KeyRange.publicPatterns {
                reader.report(node, "the list has more than \(KeyRange.publicPatterns) items")
            }
            let nodes = items.prefix(KeyRange.publicPatterns).enumerated().map { node.item($0.offset, $0.element) }
            let patterns = nodes.compactMap { item in
                reader.parsed(item, expected: "a pattern such as \"live-*\"", by: Self.streamPattern)?.value
            }
            return items.isEmpty ? .none : .matching(patterns)
        case .null, .number, .string, .object:
            reader.reportType(of: node, expected: "true, false, or a list of patterns such as [\"live-*\"]")
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

    private func channels(_ node: ConfigurationNode) -> [SubscriptionResolver.Channel] {
        guard let members = reader.members(of: node) else { return [] }
        if members.count > KeyRange.mappedChannels {
            reader.report(node, "the object has more than \(KeyRange.mappedChannels) keys")
        }
        return members.prefix(KeyRange.mappedChannels).compactMap { member in
            guard let sentence = Self.problem(withChannel: member.key) else {
                let value = ConfigurationNode(path: node.path(of: member.key), value: member.value)
                let template = reader.parsed(
                    value, expected: "a stream such as \"live-scores-{database}\"", by: Self.streamTemplate)
                if template?.value.isOpen == true {
                    reader.warn(
                        value,
                        "a client chooses the whole name, so every stream may be subscribed to; write text before the"
                            + " first {param}")
                }
                return template.map { .init(name: Array(member.key.utf8), template: $0.value) }
            }
            reader.report(path: node.path, member.keyPosition, "\(member.key.quoted) \(sentence)")
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
