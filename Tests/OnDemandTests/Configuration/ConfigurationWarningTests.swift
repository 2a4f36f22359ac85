import Testing

@testable import OnDemand

/// What `ondemandd check` says about a valid file that is probably not meant.
struct ConfigurationWarningTests {
    private func warnings(_ file: String) throws -> [ConfigurationWarning] {
        try Configuration.review(Array(file.utf8), environment: [:]).warnings
    }

    /// About a cable that is complete without these members.
    private func warnings(cable members: String, listen: String = "127.0.0.1:3000") throws -> [String] {
        let file = CableKeyTests.file(members).replacing("127.0.0.1:3000", with: listen)
        return try warnings(file).map(\.sentence)
    }

    private static let streams = #""streams": {"public": true}"#
    private static let broadcast = #""broadcast": {"path": "/b"}"#
    private static let both = "\(streams), \(broadcast)"

    @Test("a usable cable has none, nor has a file without cables")
    func none() throws {
        #expect(try warnings(cable: Self.both) == [])
        #expect(try warnings(Sample.file(service: Sample.plain)) == [])
        let example = try Configuration.review(
            Array(CableKeyTests.example.utf8),
            environment: CableKeyTests.secrets.mapValues { _ in String(repeating: "x", count: 32) })
        #expect(example.warnings == [])
    }

    @Test("a cable without any way to subscribe or to publish")
    func useless() throws {
        let nothing = try warnings(cable: Self.broadcast)
        #expect(nothing.count == 1 && nothing[0].contains("every subscription is rejected"))
        #expect(
            try warnings(cable: #""streams": {"secret": ""}, "# + Self.broadcast) == nothing, "an empty key is none")
        for streams in [#"{"secret": "x"}"#, #"{"rails_secret_key_base": "x"}"#, #"{"channels": {"A": "x"}}"#] {
            #expect(try warnings(cable: "\"streams\": \(streams), \(Self.broadcast)") == [])
        }
        let silent = try warnings(cable: Self.streams)
        #expect(silent.count == 1 && silent[0].contains("no program can publish"))
        #expect(try warnings(cable: #"\#(Self.streams), "redis": {"url": "redis://127.0.0.1"}"#) == [])
    }

    @Test("a secret for HS256 that is shorter than its signature")
    func shortSecret() throws {
        let text = "\(Self.both), \"jwt\": {\"secret\": \"SECRET\"}"
        let short = try warnings(cable: text.replacing("SECRET", with: "hush"))
        #expect(short == ["the secret has 4 bytes; HS256 needs 32 or more (RFC 7518, 3.2)"])
        #expect(try warnings(cable: text.replacing("SECRET", with: String(repeating: "x", count: 32))) == [])
    }

    @Test("a broadcast endpoint without a key on a listener that other machines reach")
    func publicEndpoint() throws {
        let path = try warnings(cable: Self.both, listen: "0.0.0.0:3000")
        #expect(path.count == 1 && path[0].contains("0.0.0.0:3000 at listen in line 1 can be reached"))
        let keyed = #"\#(Self.streams), "broadcast": {"path": "/b", "key": "0123456789abcdef"}"#
        #expect(try warnings(cable: keyed, listen: "0.0.0.0:3000") == [])
        let listen = #"\#(Self.streams), "broadcast": {"listen": "10.0.0.1:9"}"#
        #expect(try warnings(cable: listen).count == 1)
        #expect(try warnings(cable: listen.replacing("10.0.0.1:9", with: "unix:/run/b"), listen: "0.0.0.0:3000") == [])
    }

    @Test("a template that begins with a parameter")
    func openTemplate() throws {
        let text = #""streams": {"channels": {"A": "{room}", "B": "x-{room}"}}, "# + Self.broadcast
        let found = try warnings(CableKeyTests.file(text))
        #expect(found.count == 1 && found[0].path == "cables[0].streams.channels.A")
        #expect(found[0].sentence.contains("every stream may be subscribed to"))
    }

    @Test("pings further apart than Rails' client waits for")
    func ping() throws {
        #expect(try warnings(cable: #"\#(Self.both), "ping_interval": "6s""#).count == 1)
        #expect(try warnings(cable: #"\#(Self.both), "ping_interval": "5s""#) == [])
        #expect(try warnings(cable: #"\#(Self.both), "ping_interval": "30s", "protocols": "turbo_cable""#) == [])
    }

    @Test("warnings are in the order of the file, in the form of errors")
    func rendering() throws {
        let found = try warnings(CableKeyTests.file(#""jwt": {"secret": "hush"}, "ping_interval": "30s""#))
        #expect(
            found.map(\.path) == [
                "cables[0].name", "cables[0].name", "cables[0].jwt.secret", "cables[0].ping_interval",
            ])
        #expect(
            found[2].rendered(file: "c.json").hasPrefix("c.json:2:44: warning: cables[0].jwt.secret: the secret has 4"))
        #expect(!found[2].rendered(file: "c.json").contains("hush"))
    }
}
