/// What may happen to the subscriptions of the backend's channels while the backend sleeps.
///
/// A subscription of `Turbo::StreamsChannel` only streams, and so do the channels that the operator lists: the daemon
/// can make them again. Everything else may hold state that no new subscription restores, and keeps the backend awake.
struct BackendChannels: Equatable, Sendable {
    var listed: [ReplayableChannel] = []

    /// Properties of one subscription.
    struct Properties: Equatable {
        var isReplayable = false
        var hasStatelessActions = false
        /// The streams whose messages the daemon delivers while the backend sleeps; nil where they are not known.
        var streams: [[UInt8]]?
    }

    /// The channel that an identifier names, for the status; `identifier` is a JSON string. Empty where there is none.
    static func channel(of identifier: [UInt8]) -> String {
        guard let value = try? JSONScanner.value(of: identifier.span), let text = value.string(in: identifier.span),
            let values = try? keys.values(of: text.span), let name = values[0]?.string(in: text.span)
        else { return "" }
        return String(decoding: name.prefix(Limits.shownChannelBytes), as: UTF8.self)
    }

    private static let keys = JSONKeys<2>(["channel", "signed_stream_name"])
    private static let turbo = Array("Turbo::StreamsChannel".utf8)

    /// `identifier` is the content of the JSON string, usually a JSON text itself.
    ///
    /// The name of a Turbo stream is read without a check of its signature: the backend has confirmed the subscription,
    /// and so the signature.
    func properties(of identifier: [UInt8]) -> Properties {
        let text = identifier.span
        guard let values = try? Self.keys.values(of: text), let channel = values[0]?.string(in: text) else {
            return Properties()
        }
        if channel == Self.turbo {
            let name = values[1]?.string(in: text).flatMap { StreamNameVerifier.unverifiedName(in: $0.span) }
            return Properties(isReplayable: true, hasStatelessActions: true, streams: name.map { [$0] })
        }
        guard let known = listed.first(where: { $0.name == channel }) else { return Properties() }
        var properties = Properties(isReplayable: true, hasStatelessActions: known.hasStatelessActions)
        guard let templates = known.streams else { return properties }
        let names = templates.compactMap { $0.streamName(for: text) }
        // A template without its parameter names a stream that cannot be listened to.
        if names.count == templates.count { properties.streams = names }
        return properties
    }
}
