import Testing

@testable import OnDemand

struct SubscriptionResolverTests {
    /// Signed by s3Krit, as AnyCable's own tests have it; and the same name by the empty key.
    private static let signed = "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628"
    private static let forged = "ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4"

    private func resolve(
        _ identifier: String, secret: String? = "s3Krit", hasBackend: Bool = false
    ) throws -> SubscriptionResolver.Outcome {
        let resolver = SubscriptionResolver(
            publicStreams: .matching([StreamPattern("live-*")]),
            verifier: StreamNameVerifier(secret: secret.map { Array($0.utf8) }, railsSecretKeyBase: nil),
            channels: [.init(name: Array("ScoresChannel".utf8), template: try StreamTemplate("scores-{database}"))],
            hasBackend: hasBackend)
        return resolver.resolve(Array(identifier.utf8), at: 1_700_000_000)
    }

    @Test("without a secret every signed name is rejected, also with the empty key")
    func noSecret() throws {
        for name in [Self.signed, Self.forged] {
            for channel in ["$pubsub", "Turbo::StreamsChannel"] {
                let identifier = "{\"channel\":\"\(channel)\",\"signed_stream_name\":\"\(name)\"}"
                #expect(try resolve(identifier, secret: nil) == .reject(.invalidSignature))
                #expect(try resolve(identifier, secret: "") == .reject(.invalidSignature))
            }
        }
    }

    @Test(
        "an identifier has one stream, or a reason for its rejection",
        arguments: [
            (
                #"{"channel":"$pubsub","stream_name":"live-1"}"#,
                SubscriptionResolver.Outcome.stream(Array("live-1".utf8))
            ),
            (#"{"channel":"$pubsub","stream_name":"other"}"#, .reject(.notPublic)),
            (#"{"channel":"$pubsub"}"#, .reject(.malformedIdentifier)),
            (#"{"channel":"$pubsub","stream_name":""}"#, .reject(.malformedIdentifier)),
            (#"{"channel":"$pubsub","stream_name":7}"#, .reject(.malformedIdentifier)),
            ("{\"channel\":\"$pubsub\",\"signed_stream_name\":\"\(signed)\"}", .stream(Array("chat:2021".utf8))),
            (
                #"{"channel":"$pubsub","stream_name":"live-1","signed_stream_name":"forged"}"#,
                .reject(.invalidSignature)
            ),
            (#"{"channel":"$pubsub","signed_stream_name":7}"#, .reject(.invalidSignature)),
            (
                "{\"channel\":\"Turbo::StreamsChannel\",\"signed_stream_name\":\"\(signed)\"}",
                .stream(Array("chat:2021".utf8))
            ),
            (#"{"channel":"Turbo::StreamsChannel","signed_stream_name":"forged"}"#, .reject(.invalidSignature)),
            (#"{"channel":"Turbo::StreamsChannel","stream_name":"live-1"}"#, .reject(.invalidSignature)),
            (#"{"channel":"ScoresChannel","database":"x"}"#, .stream(Array("scores-x".utf8))),
            (#"{"channel":"ScoresChannel"}"#, .reject(.malformedIdentifier)),
            (#"{"channel":"ChatChannel"}"#, .reject(.unknownChannel)), (#"{"room":1}"#, .reject(.malformedIdentifier)),
            ("chat", .reject(.malformedIdentifier)), ("", .reject(.malformedIdentifier)),
        ])
    func outcomes(identifier: String, expected: SubscriptionResolver.Outcome) throws {
        #expect(try resolve(identifier) == expected)
    }

    @Test("with a backend only channels of the cable itself are rejected, and all others are forwarded")
    func backend() throws {
        for identifier in [
            #"{"channel":"ChatChannel"}"#, #"{"channel":"Turbo::StreamsChannel","signed_stream_name":"forged"}"#,
            "chat",
        ] {
            #expect(try resolve(identifier, hasBackend: true) == .forward)
        }
        #expect(try resolve(#"{"channel":"$pubsub","stream_name":"other"}"#, hasBackend: true) == .reject(.notPublic))
        #expect(try resolve(#"{"channel":"ScoresChannel"}"#, hasBackend: true) == .reject(.malformedIdentifier))
    }
}
