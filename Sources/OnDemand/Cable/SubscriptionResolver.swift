/// The stream behind the identifier of an Action Cable subscription.
///
/// | channel | stream | otherwise |
/// |---|---|---|
/// | `$pubsub` with `signed_stream_name` | the verified name | reject |
/// | `$pubsub` with `stream_name` | the name, if it is public | reject |
/// | `Turbo::StreamsChannel` | the verified name | forward; reject without a backend |
/// | one of `streams.channels` | its template, filled in | reject |
/// | any other, or no channel | | forward; reject without a backend |
///
/// Of two names the signed one decides. Without a secret no signed name is valid.
struct SubscriptionResolver {
    enum Outcome: Equatable {
        case stream([UInt8])
        /// The backend decides.
        case forward
        case reject(RejectionReason)
    }

    struct Channel: Equatable, Sendable {
        /// The name of the Ruby class.
        let name: [UInt8]
        let template: StreamTemplate
    }

    var publicStreams = PublicStreams.none
    var verifier = StreamNameVerifier(secret: nil, railsSecretKeyBase: nil)
    var channels: [Channel] = []
    var hasBackend = false

    private static let keys = JSONKeys<3>(["channel", "stream_name", "signed_stream_name"])
    private static let pubsub = Array("$pubsub".utf8)
    private static let turbo = Array("Turbo::StreamsChannel".utf8)

    /// `identifier` is the content of the JSON string: usually a JSON text itself. `now` is in seconds since 1970.
    func resolve(_ identifier: [UInt8], at now: Int) -> Outcome {
        let text = identifier.span
        guard let values = try? Self.keys.values(of: text), let channel = values[0]?.string(in: text) else {
            return hasBackend ? .forward : .reject(.malformedIdentifier)
        }
        switch channel {
        case Self.pubsub: return pubsub(name: values[1]?.string(in: text), signed: values[2], text, at: now)
        case Self.turbo:
            let name = values[2]?.string(in: text).flatMap { verified($0, for: .turbo, at: now) }
            return name.map { .stream($0) } ?? (hasBackend ? .forward : .reject(.invalidSignature))
        default:
            guard let mapped = channels.first(where: { $0.name == channel }) else {
                return hasBackend ? .forward : .reject(.unknownChannel)
            }
            return mapped.template.streamName(for: text).map { .stream($0) } ?? .reject(.malformedIdentifier)
        }
    }

    private func pubsub(name: [UInt8]?, signed: JSONSlice?, _ text: Span<UInt8>, at now: Int) -> Outcome {
        if let signed, signed.kind != .null {
            let name = signed.string(in: text).flatMap { verified($0, for: .pubsub, at: now) }
            return name.map { .stream($0) } ?? .reject(.invalidSignature)
        }
        guard let name, !name.isEmpty else { return .reject(.malformedIdentifier) }
        return publicStreams.allow(name) ? .stream(name) : .reject(.notPublic)
    }

    private func verified(_ signed: [UInt8], for use: StreamNameVerifier.Use, at now: Int) -> [UInt8]? {
        guard case .valid(let name) = verifier.verdict(on: signed.span, for: use, at: now) else { return nil }
        return name
    }
}
