import Testing

@testable import OnDemand

/// Cables as an operator writes them.
@Suite struct CableKeyTests {
    /// The example of the documentation.
    static let example = #"""
        {
          "listen": "127.0.0.1:3000",
          "cables": [
            {
              "name": "cable",
              "enabled": "${ENABLE_CABLE:-true}",
              "path": ["/cable", "/showcase/cable", "/showcase/regions/{region}/cable"],
              "protocols": ["action_cable", "turbo_cable"],
              "allowed_origins": "same_origin",
              "jwt": { "secret": "${CABLE_JWT_SECRET}", "parameter": "jid", "required": true },
              "streams": {
                "public": ["live-scores-*"],
                "secret": "${CABLE_STREAMS_SECRET}",
                "rails_secret_key_base": "${SECRET_KEY_BASE}",
                "channels": { "ScoresChannel": "live-scores-{database}" }
              },
              "broadcast": { "path": "/_broadcast", "key": "${CABLE_BROADCAST_KEY}" },
              "redis": { "url": "redis://127.0.0.1:6379/0", "channel_prefix": "" },
              "ping_interval": "3s",
              "limits": {
                "max_message_size": "64KiB", "max_connections": "off", "max_subscriptions": 100,
                "max_queued_bytes": "1MiB", "send_timeout": "10s"
              }
            }
          ],
          "reverse_proxies": [
            { "name": "action-cable", "target": "http://127.0.0.1:28080/cable", "path": "/x", "websocket": true }
          ]
        }
        """#

    static let secrets = [
        "CABLE_JWT_SECRET": "jwt-secret", "CABLE_STREAMS_SECRET": "streams-secret", "SECRET_KEY_BASE": "base",
        "CABLE_BROADCAST_KEY": "0123456789abcdef",
    ]

    @Test("the example of the documentation is read completely")
    func wholeExample() throws {
        let configuration = try Configuration.read(Array(Self.example.utf8), environment: Self.secrets)
        let paths = ["/cable", "/showcase/cable", "/showcase/regions/{region}/cable"]
        let expected = Configuration.Cable(
            name: "cable", paths: try paths.map { try PathPattern(parsing: $0) },
            actionCable: true, turboCable: true, origins: .sameOrigin,
            tokens: .init(secret: Array("jwt-secret".utf8), parameter: "jid", isRequired: true),
            streams: .init(
                publicStreams: .matching([StreamPattern("live-scores-*")]), secret: Array("streams-secret".utf8),
                railsSecretKeyBase: Array("base".utf8),
                channels: [
                    .init(name: Array("ScoresChannel".utf8), template: try StreamTemplate("live-scores-{database}"))
                ]),
            broadcast: .init(
                path: try PathPattern(parsing: "/_broadcast"), listen: nil, key: BearerToken("0123456789abcdef"),
                maximumBodyBytes: 1 << 20),
            redis: .init(url: try RedisURL("redis://127.0.0.1:6379/0"), channelPrefix: nil), pingInterval: .seconds(3),
            limits: .init(
                maximumMessageBytes: 64 << 10, maximumConnections: nil, maximumSubscriptions: 100,
                maximumQueuedBytes: 1 << 20, sendTimeout: .seconds(10)))
        #expect(configuration.cables == [expected])
        #expect(configuration.services.map(\.name) == ["action-cable"])
    }

    @Test("the smallest cable needs no service")
    func smallest() throws {
        let text = #"""
            { "listen": "127.0.0.1:3000",
              "cables": [ { "name": "cable", "path": "/cable", "streams": { "public": true },
                            "broadcast": { "path": "/_broadcast" } } ] }
            """#
        let configuration = try Configuration.read(Array(text.utf8), environment: [:])
        var expected = Configuration.Cable(name: "cable", paths: [try PathPattern(parsing: "/cable")])
        expected.streams.publicStreams = .all
        expected.broadcast = .init(path: try PathPattern(parsing: "/_broadcast"))
        #expect(configuration.cables == [expected])
        #expect(configuration.services.isEmpty)
    }
}
