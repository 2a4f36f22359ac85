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

    /// A cable with these members besides name and path, in the second line of the file.
    static func file(_ members: String, top: String = "") -> String {
        let more = members.isEmpty ? "" : ", \(members)"
        return "{\"listen\":\"127.0.0.1:3000\",\"cables\":[\n{\"name\":\"c\",\"path\":\"/c\"\(more)}]\(top)}"
    }

    private func cable(_ members: String, _ environment: [String: String] = [:]) throws -> Configuration.Cable {
        try #require(
            try Configuration.read(Array(Self.file(members).utf8), environment: environment).cables.first)
    }

    @Test("a cable without settings has the documented defaults")
    func defaults() throws {
        let cable = try cable("")
        #expect(cable.enabled && cable.actionCable && cable.turboCable && cable.origins == .sameOrigin)
        #expect(cable.tokens == nil && cable.broadcast == nil && cable.redis == nil)
        #expect(cable.streams == Configuration.Cable.Streams() && cable.streams.publicStreams == .none)
        #expect(cable.pingInterval == .seconds(3))
        #expect(cable.limits.maximumMessageBytes == 65_536 && cable.limits.maximumConnections == nil)
        #expect(cable.limits.maximumSubscriptions == 100 && cable.limits.maximumQueuedBytes == 1_048_576)
        #expect(cable.limits.sendTimeout == .seconds(10))
        let broadcast = try #require(try self.cable(#""broadcast": {"listen": 9000}"#).broadcast)
        #expect(broadcast.listen == .address(.ipv4(octets: [0, 0, 0, 0], port: 9000)) && broadcast.path == nil)
        #expect(broadcast.key == nil && broadcast.maximumBodyBytes == 1_048_576)
        let tokens = try #require(try self.cable(#""jwt": {"secret": "x"}"#).tokens)
        #expect(tokens.parameter == "jid" && tokens.isRequired)
    }

    @Test("each key takes its other values")
    func otherValues() throws {
        let cable = try cable(
            #"""
            "enabled": "off", "protocols": ["action_cable"],
            "allowed_origins": ["https://a.example", "https://*.b.example"],
            "jwt": {"secret": "${SECRET}", "parameter": "access_token", "required": "no"},
            "streams": {"public": true, "secret": "", "rails_secret_key_base": "${BASE:-}", "channels": {"A::B": "x"}},
            "broadcast": {"listen": "fd:publishers", "key": "schlüssel!!{}\"16", "max_body_bytes": "2MiB"},
            "redis": {"url": "unix://:p%40ss@/run/redis.sock?db=2", "channel_prefix": "app"},
            "ping_interval": "500ms",
            "limits": {"max_message_size": 512, "max_connections": 7, "max_subscriptions": 3,
                       "max_queued_bytes": "16KiB", "send_timeout": "1s500ms"}
            """#, ["SECRET": "s3Krit"])
        #expect(!cable.enabled && cable.actionCable && !cable.turboCable)
        #expect(
            cable.origins
                == .listed([.exact("https://a.example"), .below(scheme: "https://", domain: ".b.example")]))
        let tokens = Configuration.Cable.Tokens(
            secret: Array("s3Krit".utf8), parameter: "access_token", isRequired: false)
        #expect(cable.tokens == tokens)
        #expect(cable.streams.publicStreams == .all && cable.streams.channels.count == 1)
        #expect(cable.streams.secret == nil && cable.streams.railsSecretKeyBase == nil, "an empty key is no key")
        #expect(cable.broadcast?.listen == .inherited("publishers"))
        #expect(cable.broadcast?.key == BearerToken.accessKey("schlüssel!!{}\"16"))
        #expect(cable.broadcast?.maximumBodyBytes == 2 << 20)
        #expect(cable.redis == .init(url: try RedisURL("unix://:p%40ss@/run/redis.sock?db=2"), channelPrefix: "app"))
        #expect(cable.pingInterval == .milliseconds(500))
        #expect(cable.limits.maximumMessageBytes == 512 && cable.limits.maximumConnections == 7)
        #expect(cable.limits.maximumSubscriptions == 3 && cable.limits.maximumQueuedBytes == 16_384)
        #expect(cable.limits.sendTimeout == .milliseconds(1500))
    }

    @Test("one value stands for a list with it, and a variable for a word")
    func singleValues() throws {
        #expect(try !cable(#""protocols": "turbo_cable""#).actionCable)
        #expect(try cable(#""allowed_origins": "*""#).origins == .listed([.any]))
        #expect(try cable(#""allowed_origins": "${O}""#, ["O": "same_origin"]).origins == .sameOrigin)
        #expect(try cable(#""allowed_origins": ["same_origin"]"#).origins == .sameOrigin)
        #expect(try cable(#""streams": {"public": []}"#).streams.publicStreams == .none)
        #expect(try cable(#""limits": {"max_connections": "${N:-off}"}"#).limits.maximumConnections == nil)
    }

    @Test(
        "an invalid value is an error with a sentence",
        arguments: [
            (#""stream": {}"#, "did you mean \"streams\"?"),
            (#""protocols": []"#, "the list is empty"),
            (#""protocols": ["actioncable"]"#, "did you mean \"action_cable\"?"),
            (#""allowed_origins": "same-origin""#, "did you mean \"same_origin\"?"),
            (#""allowed_origins": "example.com""#, "is not an origin; write"),
            (#""allowed_origins": ["same_origin", "https://a.example"]"#, "stands alone"),
            (#""jwt": {}"#, "\"secret\" is missing"), (#""jwt": {"secret": ""}"#, "is empty"),
            (#""jwt": {"secret": "x", "parameter": "a=b"}"#, "is not a parameter name"),
            (#""jwt": {"secret": "x", "parameter": ""}"#, "is not a parameter name"),
            (#""jwt": {"secret": "x", "required": "maybe"}"#, "is neither true"),
            (#""streams": {"public": "live-*"}"#, "expected true, false, or a list of patterns"),
            (#""streams": {"public": [""]}"#, "is empty, and so matches no stream"),
            (#""streams": {"channels": {"A": ""}}"#, "a stream needs a name"),
            (#""streams": {"channels": {"A": "x-{id"}}"#, "without \"}\""),
            (#""streams": {"channels": {"A": "x-{channel}"}}"#, "is always this channel"),
            (#""streams": {"channels": {"": "x"}}"#, "is not a channel"),
            (#""streams": {"channels": {"$pubsub": "x"}}"#, "is always served by the daemon"),
            (#""streams": {"channels": {"Turbo::StreamsChannel": "x"}}"#, "is always served by the daemon"),
            (#""streams": {"channels": {"A": "action_cable/{id}"}}"#, "is a name that Action Cable"),
            (#""streams": {"channels": {"A": "__anycable__"}}"#, "is a name that Action Cable"),
            (#""streams": {"channels": {"A": "x", "A": "y"}}"#, "was already given at"),
            (#""broadcast": {}"#, "set \"path\", \"listen\" or both"),
            (#""broadcast": {"path": "b"}"#, "does not begin with a slash"),
            (#""broadcast": {"listen": "example.com:80"}"#, "has the host name"),
            (#""broadcast": {"listen": "fd:"}"#, "is not the name of an inherited socket"),
            (#""broadcast": {"path": "/b", "max_body_bytes": "65MiB"}"#, "expected a size from 1 to 67108864 bytes"),
            (#""broadcast": {"path": "/b", "max_body_bytes": 0}"#, "expected a size from"),
            (#""redis": {}"#, "\"url\" is missing"),
            (#""redis": {"url": "rediss://h"}"#, "TLS (rediss://) is not supported"),
            (#""redis": {"url": "http://127.0.0.1"}"#, "unknown scheme"),
            (#""redis": {"url": "redis://redis.internal"}"#, "unknown host"),
            (#""redis": {"url": "redis://127.0.0.1", "channel_prefix": 5}"#, "expected a prefix in quotes"),
            (#""ping_interval": "0""#, "expected a duration from 125ms to 1m"),
            (#""ping_interval": "61s""#, "expected a duration from 125ms to 1m"),
            (#""limits": {"max_message_size": "off"}"#, "is not a size"),
            (#""limits": {"max_message_size": "17MiB"}"#, "expected a size from 1 to 16777216 bytes"),
            (#""limits": {"max_connections": 0}"#, "a whole number from 1 to 1000000"),
            (#""limits": {"max_subscriptions": 10001}"#, "a whole number from 1 to 10000"),
            (#""limits": {"max_queued_bytes": 1023}"#, "expected a size from 1024 to"),
            (#""limits": {"send_timeout": "0"}"#, "a duration of zero has no meaning here"),
            (#""limits": {"max_body_bytes": 5}"#, "unknown key"),
        ])
    func mistakes(members: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try cable(members) }
        let error = try #require(errors?.all.first { $0.sentence.contains(sentence) }, "\(String(describing: errors))")
        #expect(error.line == 2 && error.column > 1)
        #expect(error.path.hasPrefix("cables[0]"))
    }

    @Test("lists of patterns, channels and cables are bounded")
    func bounds() throws {
        let patterns = Array(repeating: "\"a\"", count: 257).joined(separator: ",")
        let channels = (0...256).map { "\"C\($0)\": \"x\"" }.joined(separator: ",")
        let long = String(repeating: "a", count: 1025)
        for members in [
            "\"streams\": {\"public\": [\(patterns)]}", "\"streams\": {\"channels\": {\(channels)}}",
            "\"streams\": {\"public\": [\"\(long)\"]}", "\"streams\": {\"channels\": {\"A\": \"\(long)\"}}",
            "\"broadcast\": {\"path\": \"/b\", \"key\": \"\(long)\"}",
            "\"redis\": {\"url\": \"redis://127.0.0.1\", \"channel_prefix\": \"\(long)\"}",
        ] {
            let errors = #expect(throws: ConfigurationErrors.self) { try cable(members) }
            #expect(errors?.all.count == 1)
        }
        let cables = (0...64).map { "{\"name\": \"c\($0)\", \"path\": \"/\($0)\"}" }.joined(separator: ",")
        let errors = #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(Array("{\"listen\": 1, \"cables\": [\(cables)]}".utf8), environment: [:])
        }
        #expect(errors?.all.map(\.sentence) == ["the list has more than 64 items"])
    }

    @Test(
        "no message repeats a secret",
        arguments: [
            #""broadcast": {"path": "/b", "key": "hushhushhush"}"#,
            #""broadcast": {"path": "/b", "key": "${SECRET}"}"#,
            #""broadcast": {"path": "/b", "key": "hushhushhush with spaces"}"#,
            #""redis": {"url": "rediss://user:hush@127.0.0.1"}"#, #""redis": {"url": "redis://user:hush@127.0.0.1:0"}"#,
            #""redis": {"url": "redis://us:hu/sh@127.0.0.1"}"#, #""redis": {"url": "redis://user:${SECRET}@h/x"}"#,
            #""jwt": {"secret": 4711}"#, #""streams": {"secret": 4711}"#,
            #""streams": {"rails_secret_key_base": 4711}"#,
            #""broadcast": {"path": "/b", "key": 4711}"#,
        ])
    func secretsInMessages(members: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try cable(members, ["SECRET": "hush"]) }
        let text = try #require(errors).rendered(file: "c.json")
        for secret in ["hush", "hu/sh", "4711"] { #expect(!text.contains(secret), "\(text)") }
    }

    // MARK: - Rules between fields

    private func sentences(_ file: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try Configuration.read(Array(file.utf8), environment: [:])
            return []
        } catch {
            return error.all.map(\.sentence)
        }
    }

    @Test("a configuration has a service or a cable")
    func oneOfBoth() {
        let missing = "\"reverse_proxies\" is missing; it lists the services"
        #expect(sentences(#"{"listen": 1}"#) == [missing])
        #expect(sentences(#"{"listen": 1, "cables": []}"#) == [missing])
        #expect(
            sentences(#"{"listen": 1, "cables": [], "reverse_proxies": []}"#) == [
                "the list is empty; it needs at least one service"
            ])
        #expect(sentences(Self.file("", top: #", "reverse_proxies": []"#)) == [])
        #expect(sentences(#"{"listen": 1, "cables": 5}"#) == ["expected a list of cables, found the number 5"])
    }

    @Test("names are unique across services, processes and cables")
    func names() {
        let services = #", "reverse_proxies": [{"name": "c", "path": "/x", "target": "http://127.0.0.1:1"}]"#
        #expect(
            sentences(Self.file("", top: services)) == [
                "\"c\" is already the name at reverse_proxies[0].name in line 2"
            ])
        let processes = #", "managed_processes": [{"name": "c", "command": "x"}]"#
        #expect(sentences(Self.file("", top: processes)).count == 1)
    }

    @Test("paths of services, cables and broadcast endpoints differ")
    func paths() {
        let services = #", "reverse_proxies": [{"name": "s", "path": "/c", "target": "http://127.0.0.1:1"}]"#
        #expect(sentences(Self.file("", top: services)).first?.contains("matches the same paths as") == true)
        #expect(sentences(Self.file(#""broadcast": {"path": "/c"}"#)).count == 1)
        let two = #"{"listen": 1, "cables": [{"name": "a", "path": "/{x}/c", "broadcast": {"path": "/b"}}, "#
        #expect(sentences(two + #"{"name": "b", "path": "/{y}/c"}]}"#).count == 1)
        #expect(sentences(two + #"{"name": "b", "path": "/d", "broadcast": {"path": "/b"}}]}"#).count == 1)
        #expect(sentences(two + #"{"name": "b", "path": "/d", "broadcast": {"path": "/e"}}]}"#) == [])
    }

    @Test("the listener for broadcasts is no other listener, and no target leads to it")
    func listeners() {
        func file(_ listen: String, _ top: String = "") -> [String] {
            sentences(Self.file("\"broadcast\": {\"listen\": \"\(listen)\"}", top: top))
        }
        #expect(file("127.0.0.1:3000").first?.contains("conflicts with") == true)
        #expect(file("127.0.0.1:9292", #", "status": {"listen": "127.0.0.1:9292"}"#).count == 1)
        #expect(file("unix:/run/c", #", "control": "unix:/run/./c""#).count == 1)
        #expect(file("127.0.0.1:3001") == [])
        let inherited =
            #"{"listen": "fd:web", "cables": [{"name": "a", "path": "/c", "broadcast": {"listen": "fd:web"}}]}"#
        #expect(sentences(inherited).first?.contains("is already listened on at listen") == true)
        let service = #", "reverse_proxies": [{"name": "s", "path": "/s", "target": "http://127.0.0.1:3001"}]"#
        #expect(file("127.0.0.1:3001", service).first?.contains("is a listener of this daemon") == true)
        let redis = #""redis": {"url": "redis://127.0.0.1:3000"}"#
        #expect(sentences(Self.file(redis)).first?.contains("is a listener of this daemon") == true)
    }

    @Test("env_file has the secrets too")
    func environmentFile() throws {
        let file = Self.file(#""jwt": {"secret": "${JWT}"}"#, top: #", "env_file": "e""#)
        let configuration = try Configuration.read(Array(file.utf8), environment: [:]) { _ throws(SystemError) in
            Array("JWT=from-file".utf8)
        }
        #expect(configuration.cables.first?.tokens?.secret == Array("from-file".utf8))
    }
}
