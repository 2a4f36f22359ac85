/// Decodes `backend`, `connect` and `hibernate` of a cable.
struct CableBackendDecoder {
    let reader: ConfigurationReader

    /// Reads the streams and Redis settings of the draft, so these come first.
    func backend(_ fields: ConfigurationFields, into draft: inout CableDraft) {
        if let backend = fields["backend"] {
            draft.backend = reader.parsed(backend, expected: "the name of a service in quotes") {
                text throws(ValueProblem) in text
            }
            draft.cable.backend = draft.backend?.value
            draft.cable.connect = .backend
        }
        if let connect = fields["connect"] {
            draft.cable.connect = reader.choice(connect, of: Configuration.Cable.Connect.self) ?? draft.cable.connect
        }
        if let hibernate = fields["hibernate"] {
            let mapped = draft.cable.streams.channels.map(\.name)
            let hibernation = self.hibernation(hibernate, mapped: mapped, hasRedis: fields["redis"] != nil)
            draft.hibernation = hibernation.map { hibernate.located($0) }
            draft.cable.hibernation = hibernation
        }
        guard fields["backend"] == nil else { return }
        for node in [fields["connect"], fields["hibernate"]].compactMap(\.self) {
            reader.report(node, "this has no effect without a \"backend\" next to it; set it to the name of a service")
        }
    }

    /// `mapped`: the channels that the daemon serves itself.
    private func hibernation(
        _ node: ConfigurationNode, mapped: [[UInt8]], hasRedis: Bool
    ) -> Configuration.Cable.Hibernation? {
        guard let fields = reader.fields(of: node, as: .cableHibernation) else { return nil }
        var hibernation = Configuration.Cable.Hibernation()
        if let channels = fields["channels"] {
            hibernation.channels = replayableChannels(channels, mapped: mapped, hasRedis: hasRedis)
        }
        if let age = fields["max_age"] {
            hibernation.maximumAge =
                reader.bound(age) { reader.duration($0, in: KeyRange.hibernationAge) } ?? hibernation.maximumAge
        }
        if let notice = fields["notice"] { hibernation.sendsNotice = reader.flag(notice) ?? hibernation.sendsNotice }
        return hibernation
    }

    private func replayableChannels(
        _ node: ConfigurationNode, mapped: [[UInt8]], hasRedis: Bool
    ) -> [ReplayableChannel] {
        let expected = "a list of channels such as [{\"name\": \"ChatChannel\"}]"
        guard let items = reader.items(of: node, expected: expected) else { return [] }
        if items.count > KeyRange.replayableChannels {
            reader.report(node, "the list has more than \(KeyRange.replayableChannels) items")
        }
        var first: [[UInt8]: Located<String>] = [:]
        return items.prefix(KeyRange.replayableChannels).compactMap { item in
            guard let fields = reader.fields(of: item, as: .replayableChannel) else { return nil }
            let settings = channelSettings(item, fields, hasRedis: hasRedis)
            guard let node = reader.required("name", in: fields, purpose: "it is the class of the channel"),
                let name = reader.parsed(node, expected: "the class of a channel in quotes", by: Self.replayableName)
            else { return nil }
            let bytes = Array(name.value.utf8)
            if let other = first[bytes] {
                reader.report(node, "\(name.value.quoted) is listed already, see \(other.place)")
                return nil
            }
            first[bytes] = name
            if mapped.contains(bytes) {
                reader.report(
                    node,
                    "\(name.value.quoted) is mapped to a stream by \"channels\" in \"streams\","
                        + " so the daemon serves it; leave it out")
            }
            return ReplayableChannel(
                name: bytes, hasStatelessActions: settings.hasStatelessActions, streams: settings.streams)
        }
    }

    /// Decodes everything but the name.
    private func channelSettings(
        _ node: ConfigurationNode, _ fields: ConfigurationFields, hasRedis: Bool
    ) -> (hasStatelessActions: Bool, streams: [StreamTemplate]?) {
        let actions = fields["actions"].flatMap { reader.choice($0, of: ChannelActionsWord.self) }
        let streams = fields["streams"].flatMap { channelStreams($0) }
        if hasRedis, fields["streams"] == nil {
            reader.report(
                node,
                "\"streams\" is missing; other processes publish through \"redis\" while the backend sleeps, and"
                    + " the daemon cannot hear a channel whose streams it does not know; write [] if it has none")
        }
        return (actions == .stateless, streams)
    }

    private func channelStreams(_ node: ConfigurationNode) -> [StreamTemplate]? {
        guard let items = reader.items(of: node, expected: "a list of streams such as [\"chat-{room}\"]") else {
            return nil
        }
        if items.count > KeyRange.channelStreams {
            reader.report(node, "the list has more than \(KeyRange.channelStreams) items")
        }
        var templates: [Located<StreamTemplate>] = []
        for item in items.prefix(KeyRange.channelStreams) {
            guard
                let template = reader.parsed(
                    item, expected: "a stream such as \"chat-{room}\"", by: CableStreamsDecoder.streamTemplate)
            else { continue }
            // A subscription would get each message twice.
            if let other = templates.first(where: { $0.value == template.value }) {
                reader.report(item, "\(template.value.text.quoted) is listed already, see \(other.place)")
            } else {
                templates.append(template)
            }
        }
        return templates.map(\.value)
    }

    private static func replayableName(_ text: String) throws(ValueProblem) -> String {
        switch text {
        case "$pubsub": throw ValueProblem("is always served by the daemon; leave it out")
        case "Turbo::StreamsChannel": throw ValueProblem("can always be replayed; leave it out")
        default: break
        }
        guard KeyRange.channelNameBytes.contains(text.utf8.count) else {
            throw ValueProblem("is not a channel; a class name has 1 to \(KeyRange.channelNameBytes.upperBound) bytes")
        }
        return text
    }
}

/// The value of `actions`; there is no word for the default.
enum ChannelActionsWord: String, CaseIterable {
    case stateless
}

// MARK: - Rules between a cable and its service

extension ConfigurationDraft {
    /// The services that cables name; they need no path of their own.
    var namedBackends: Set<String> { Set(cables.compactMap { $0.backend?.value }) }

    func impossibleBackends() -> [ConfigurationError] {
        let known = servicesByName
        let names = services.compactMap { $0.name?.value }
        return cables.flatMap { cable -> [ConfigurationError] in
            guard let backend = cable.backend else { return [] }
            let name = backend.value.quoted
            guard let service = known[backend.value] else {
                let hint = Suggestion.sentence(for: backend.value, among: names)
                return [backend.error("\(name) is not the name of a service in \"reverse_proxies\"\(hint)")]
            }
            var errors: [ConfigurationError] = []
            if !service.websocket {
                let place = service.name.map { ", next to \($0.place)" } ?? ""
                errors.append(
                    backend.error("\(name) does not accept WebSockets; set \"websocket\": true there\(place)"))
            }
            if let hibernation = cable.hibernation, service.launch == nil {
                errors.append(
                    hibernation.error(
                        "\(name) has no \"on_demand\", so it never sleeps; add that there, or leave out \"hibernate\""))
            }
            return errors
        }
    }

    /// Warns where the backend of a cable never sleeps, although it could.
    func hibernationWarnings(about cable: CableDraft) -> [ConfigurationWarning] {
        guard let hibernation = cable.hibernation, let backend = cable.backend,
            let service = servicesByName[backend.value]
        else { return [] }
        let name = backend.value.quoted
        if service.policy.alwaysOn {
            return [hibernation.warning("\(name) never sleeps, because its \"on_demand\" is not enabled")]
        }
        if service.policy.idleTimeout == nil {
            return [hibernation.warning("\(name) never sleeps, because its \"idle_timeout\" is \"0\"")]
        }
        return []
    }

    private var servicesByName: [String: ServiceDraft] {
        let named = services.compactMap { service in service.name.map { ($0.value, service) } }
        return Dictionary(named, uniquingKeysWith: { first, _ in first })
    }
}
