import Testing

@testable import OnDemand

/// `backend`, `connect` and `hibernate` of a cable, as an operator writes them.
@Suite struct HibernationKeyTests {
    static let service =
        #"{"name": "puma", "target": "http://127.0.0.1:1/cable", "websocket": true, "on_demand": {"command": "x"}}"#

    /// A cable in the second line, and a service that may be its backend in the fourth.
    static func file(_ members: String, service: String = service) -> String {
        CableKeyTests.file(members, top: ",\n\"reverse_proxies\": [\n\(service)]")
    }

    private func review(
        _ members: String, service: String = service, _ environment: [String: String] = [:]
    ) throws -> (cable: Configuration.Cable, warnings: [ConfigurationWarning]) {
        let file = Self.file(members, service: service)
        let (configuration, warnings) = try Configuration.review(Array(file.utf8), environment: environment)
        return (try #require(configuration.cables.first), warnings)
    }

    private func errors(_ members: String, service: String = service) throws -> [ConfigurationError] {
        let errors = #expect(throws: ConfigurationErrors.self) { try review(members, service: service) }
        return try #require(errors).all
    }

    private func template(_ text: String) throws -> StreamTemplate { try StreamTemplate(text) }

    // MARK: - Values

    @Test("every key is read")
    func wholeExample() throws {
        let cable = try review(
            #"""
            "redis": {"url": "redis://127.0.0.1:6379/0"}, "backend": "puma", "connect": "local",
            "hibernate": {
              "channels": [ { "name": "ChatChannel", "streams": ["chat-{room}", "all"] },
                            { "name": "CursorChannel", "actions": "stateless", "streams": [] } ],
              "max_age": "90m", "notice": "on"
            }
            """#
        ).cable
        #expect(cable.backend == "puma" && cable.connect == .local)
        let chat = ReplayableChannel(
            name: Array("ChatChannel".utf8), streams: [try template("chat-{room}"), try template("all")])
        let cursor = ReplayableChannel(name: Array("CursorChannel".utf8), hasStatelessActions: true, streams: [])
        #expect(
            cable.hibernation
                == .init(channels: [chat, cursor], maximumAge: .seconds(5400), sendsNotice: true))
    }

    @Test("a cable without a backend accepts clients itself, and with one the backend does")
    func connectDefault() throws {
        let without = try review("", service: "{\(Sample.plain)}").cable
        #expect(without.backend == nil && without.connect == .local && without.hibernation == nil)
        let with = try review(#""backend": "puma""#).cable
        #expect(with.backend == "puma" && with.connect == .backend && with.hibernation == nil)
        #expect(try review(#""backend": "puma", "connect": "backend""#).cable == with)
    }

    @Test("the default of protocols is Action Cable alone where the backend accepts clients")
    func protocolsDefault() throws {
        for (members, turboCable) in [
            (#""backend": "puma""#, false), (#""backend": "puma", "connect": "backend""#, false),
            (#""backend": "puma", "connect": "local""#, true),
            (#""backend": "puma", "protocols": ["action_cable", "turbo_cable"]"#, true),
            (#""backend": "puma", "connect": "local", "protocols": "action_cable""#, false),
        ] {
            let cable = try review(members).cable
            #expect(cable.actionCable && cable.turboCable == turboCable, "\(members)")
        }
    }

    @Test("hibernation has the documented defaults")
    func hibernationDefaults() throws {
        let cable = try review(#""backend": "puma", "hibernate": {}"#).cable
        #expect(cable.hibernation == .init(channels: [], maximumAge: .seconds(43_200), sendsNotice: false))
        let channel = try review(#""backend": "puma", "hibernate": {"channels": [{"name": "A::B"}]}"#).cable
        #expect(
            channel.hibernation?.channels
                == [ReplayableChannel(name: Array("A::B".utf8), hasStatelessActions: false, streams: nil)])
    }

    @Test("max_age is off, or from a minute to thirty days")
    func maximumAge() throws {
        for (text, age) in [
            ("off", nil), ("1m", .seconds(60)), ("30d", .seconds(2_592_000)), ("720h", .seconds(2_592_000)),
        ] as [(String, Duration?)] {
            let members = "\"backend\": \"puma\", \"hibernate\": {\"max_age\": \"\(text)\"}"
            let hibernation = try #require(try review(members).cable.hibernation)
            #expect(hibernation.maximumAge == age, "\(text)")
        }
    }

    @Test("variables are filled in")
    func variables() throws {
        let members = #""backend": "${B}", "connect": "${C}", "hibernate": {"max_age": "${A:-off}", "notice": "${N}"}"#
        let cable = try review(members, ["B": "puma", "C": "local", "N": "yes"]).cable
        #expect(cable.backend == "puma" && cable.connect == .local)
        #expect(cable.hibernation == .init(channels: [], maximumAge: nil, sendsNotice: true))
    }

    @Test("several cables may have one backend, which may have a path of its own")
    func sharedBackend() throws {
        let second = #", {"name": "d", "path": "/d", "backend": "puma", "connect": "local"}]"#
        let file = Self.file(#""backend": "puma""#).replacing("}],", with: "}\(second),")
        let configuration = try Configuration.read(Array(file.utf8), environment: [:])
        #expect(configuration.cables.map(\.backend) == ["puma", "puma"])
        #expect(configuration.services.map(\.paths) == [[]])
        let withPath = Self.service.replacing(#""puma","#, with: #""puma", "path": "/own","#)
        #expect(try review(#""backend": "puma""#, service: withPath).cable.backend == "puma")
    }

    // MARK: - Errors

    @Test(
        "an invalid value is an error at its place",
        arguments: [
            (#""backend": 5"#, "backend", "expected the name of a service"),
            (#""backend": "pumo""#, "backend", "\"pumo\" is not the name of a service in \"reverse_proxies\"; did you"),
            (#""backend": "c""#, "backend", "\"c\" is not the name of a service"),
            (#""backend": """#, "backend", "\"\" is not the name of a service"),
            (#""backend": "puma", "connect": "locale""#, "connect", "did you mean \"local\"?"),
            (#""backend": "puma", "connect": true"#, "connect", "expected one of backend, local"),
            (#""connect": "local""#, "connect", "no effect without a \"backend\""),
            (#""hibernate": {}"#, "hibernate", "no effect without a \"backend\""),
            (#""backend": "puma", "hibernat": {}"#, "", "did you mean \"hibernate\"?"),
            (#""backend": "puma", "hibernate": true"#, "hibernate", "expected an object"),
            (#""backend": "puma", "hibernate": {"chanels": []}"#, "hibernate", "did you mean \"channels\"?"),
            (#""backend": "puma", "hibernate": {"max_age": "59s"}"#, "hibernate.max_age", "from 1m to 720h"),
            (#""backend": "puma", "hibernate": {"max_age": "31d"}"#, "hibernate.max_age", "from 1m to 720h"),
            (#""backend": "puma", "hibernate": {"max_age": "0"}"#, "hibernate.max_age", "from 1m to 720h"),
            (#""backend": "puma", "hibernate": {"max_age": 60}"#, "hibernate.max_age", "expected a duration in quotes"),
            (#""backend": "puma", "hibernate": {"notice": "maybe"}"#, "hibernate.notice", "is neither true"),
            (#""backend": "puma", "hibernate": {"channels": {}}"#, "hibernate.channels", "expected a list of channels"),
        ])
    func mistakes(members: String, key: String, sentence: String) throws {
        let errors = try errors(members)
        let path = key.isEmpty ? "cables[0]" : "cables[0].\(key)"
        let error = try #require(errors.first { $0.path == path }, "\(errors)")
        #expect(error.sentence.contains(sentence), "\(error.sentence)")
        #expect(error.line == 2 && error.column > 1)
    }

    @Test(
        "an invalid channel is an error at its place",
        arguments: [
            (#""ChatChannel""#, "", "expected an object"), ("{}", "", "\"name\" is missing"),
            (#"{"name": 5}"#, ".name", "expected the class of a channel"),
            (#"{"name": ""}"#, ".name", "is not a channel; a class name has 1 to 256 bytes"),
            (#"{"name": "$pubsub"}"#, ".name", "is always served by the daemon"),
            (#"{"name": "Turbo::StreamsChannel"}"#, ".name", "can always be replayed"),
            (#"{"name": "Mapped"}"#, ".name", "so the daemon serves it"),
            (#"{"name": "A", "action": "stateless"}"#, "", "did you mean \"actions\"?"),
            (#"{"name": "A", "actions": "stateles"}"#, ".actions", "did you mean \"stateless\"?"),
            (#"{"name": "A", "actions": ["stateless"]}"#, ".actions", "expected one of stateless"),
            (#"{"name": "A", "streams": "a"}"#, ".streams", "expected a list of streams"),
            (#"{"name": "A", "streams": [""]}"#, ".streams[0]", "a stream needs a name"),
            (#"{"name": "A", "streams": ["a", "x-{id"]}"#, ".streams[1]", "without \"}\""),
            (#"{"name": "A", "streams": ["x-{channel}"]}"#, ".streams[0]", "is always this channel"),
            (#"{"name": "A", "streams": ["action_cable/{id}"]}"#, ".streams[0]", "is a name that Action Cable"),
            (#"{"name": "A", "streams": ["a", "b", "a"]}"#, ".streams[2]", "\"a\" is listed already, see cables[0]"),
        ])
    func wrongChannels(channel: String, key: String, sentence: String) throws {
        let members =
            #""backend": "puma", "streams": {"channels": {"Mapped": "m"}}, "hibernate": {"channels": [CHANNEL]}"#
        let errors = try errors(members.replacing("CHANNEL", with: channel))
        #expect(errors.map(\.path) == ["cables[0].hibernate.channels[0]\(key)"])
        #expect(errors[0].sentence.contains(sentence), "\(errors[0].sentence)")
        #expect(errors[0].line == 2 && errors[0].column > 1)
    }

    @Test("a channel is listed once; case counts")
    func repeatedChannel() throws {
        func members(_ second: String) -> String {
            #""backend": "puma", "hibernate": {"channels": [{"name": "A"}, {"name": "\#(second)"}]}"#
        }
        let errors = try errors(members("A"))
        #expect(errors.map(\.path) == ["cables[0].hibernate.channels[1].name"])
        #expect(errors[0].sentence == "\"A\" is listed already, see cables[0].hibernate.channels[0].name in line 2")
        #expect(try review(members("a")).cable.hibernation?.channels.count == 2)
    }

    @Test("names, channels and streams are bounded, and each bound is allowed")
    func bounds() throws {
        func hibernate(_ channels: String) -> String {
            "\"backend\": \"puma\", \"hibernate\": {\"channels\": [\(channels)]}"
        }
        func channels(_ count: Int) -> String {
            hibernate((0..<count).map { "{\"name\": \"C\($0)\"}" }.joined(separator: ","))
        }
        func name(_ count: Int) -> String { hibernate("{\"name\": \"\(String(repeating: "a", count: count))\"}") }
        func streams(_ count: Int) -> String {
            hibernate("{\"name\": \"A\", \"streams\": [\((0..<count).map { "\"s\($0)\"" }.joined(separator: ","))]}")
        }
        func stream(_ count: Int) -> String {
            hibernate("{\"name\": \"A\", \"streams\": [\"\(String(repeating: "a", count: count))\"]}")
        }
        for (members, most) in [(channels, 256), (name, 256), (streams, 64), (stream, 1024)] {
            #expect(throws: Never.self) { try review(members(most)) }
            #expect(try errors(members(most + 1)).count == 1)
        }
    }

    @Test("with redis each channel needs its streams, because the daemon could not hear them otherwise")
    func streamsBesideRedis() throws {
        func members(_ channel: String) -> String {
            #""redis": {"url": "redis://127.0.0.1"}, "backend": "puma", "hibernate": {"channels": [\#(channel)]}"#
        }
        let errors = try errors(members(#"{"name": "A", "streams": []}, {"name": "B"}"#))
        #expect(errors.map(\.path) == ["cables[0].hibernate.channels[1]"])
        #expect(errors[0].sentence.hasPrefix("\"streams\" is missing; other processes publish through \"redis\""))
        #expect(errors[0].sentence.contains("cannot hear a channel whose streams it does not know; write []"))
        #expect(try review(members(#"{"name": "A", "streams": []}"#)).cable.hibernation?.channels[0].streams == [])
        #expect(try review(members("")).cable.hibernation?.channels == [], "Turbo's names tell their stream")
    }

    @Test("a backend accepts WebSockets")
    func websocket() throws {
        let plain = Self.service.replacing(#""websocket": true, "#, with: "")
        let errors = try errors(#""backend": "puma""#, service: plain)
        #expect(errors.map(\.path) == ["cables[0].backend"])
        #expect(
            errors[0].sentence == "\"puma\" does not accept WebSockets; set \"websocket\": true there, next to"
                + " reverse_proxies[0].name in line 4")
    }

    @Test("only a service that the daemon starts can sleep")
    func onDemand() throws {
        let unmanaged = #"{"name": "puma", "target": "http://127.0.0.1:1", "websocket": true}"#
        #expect(try review(#""backend": "puma""#, service: unmanaged).cable.backend == "puma")
        let errors = try errors(#""backend": "puma", "hibernate": {}"#, service: unmanaged)
        #expect(errors.map(\.path) == ["cables[0].hibernate"])
        #expect(errors[0].sentence.contains("\"puma\" has no \"on_demand\", so it never sleeps"))
    }

    @Test("a process is no backend")
    func process() throws {
        let file =
            Self.file(#""backend": "redis""#).dropLast()
            + #", "managed_processes": [{"name": "redis", "command": "x"}]}"#
        let errors = #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(Array(file.utf8), environment: [:])
        }
        let error = try #require(errors?.all.first)
        #expect(error.path == "cables[0].backend" && error.sentence.contains("is not the name of a service"))
    }

    @Test("a service without a path needs a cable that names it")
    func missingPath() throws {
        let missing = "\"path\" is missing; it says which requests are meant"
        let unnamed = try errors("")
        #expect(unnamed.map(\.sentence) == [missing])
        #expect(unnamed[0].path == "reverse_proxies[0]" && unnamed[0].line == 4)
        let misspelled = try errors(#""backend": "pumo""#)
        #expect(misspelled.map(\.path) == ["cables[0].backend", "reverse_proxies[0]"])
        let empty = Self.service.replacing(#""puma","#, with: #""puma", "path": [],"#)
        #expect(try errors(#""backend": "puma""#, service: empty).map(\.path) == ["reverse_proxies[0].path"])
    }

    @Test("independent errors are reported in one run")
    func severalErrors() throws {
        let errors = try errors(
            #""connect": "x", "hibernate": {"channels": [{"name": "$pubsub", "actions": "y"}], "notice": 1}"#)
        #expect(
            Set(errors.map(\.path)) == [
                "cables[0].connect", "cables[0].hibernate", "cables[0].hibernate.channels[0].name",
                "cables[0].hibernate.channels[0].actions", "cables[0].hibernate.notice", "reverse_proxies[0]",
            ])
    }

    // MARK: - Warnings

    @Test("turbo_cable beside connect: backend is allowed, with a warning")
    func turboCable() throws {
        let both = #""protocols": ["action_cable", "turbo_cable"], "backend": "puma""#
        let warnings = try review(both).warnings
        #expect(warnings.map(\.path) == ["cables[0].protocols"])
        #expect(warnings[0].sentence.contains("accepted without the check of the backend"))
        #expect(try review(both + #", "connect": "local""#).warnings == [])
        #expect(try review(#""protocols": "action_cable", "backend": "puma""#).warnings == [])
        #expect(try review(#""backend": "puma""#).warnings == [])
    }

    @Test("a cable with a backend needs no streams of its own, and one with streams a way to publish")
    func forwardedSubscriptions() throws {
        #expect(try review(#""backend": "puma", "hibernate": {}"#).warnings == [])
        let warnings = try review(#""backend": "puma", "streams": {"public": true}"#).warnings
        #expect(warnings.count == 1 && warnings[0].sentence.contains("no program can publish"))
    }

    @Test("hibernation of a backend that never sleeps has no effect")
    func neverSleeps() throws {
        for (key, cause) in [
            (#""idle_timeout": "0""#, "\"idle_timeout\" is \"0\""),
            (#""enabled": "off""#, "\"on_demand\" is not enabled"),
        ] {
            let awake = Self.service.replacing(#""command": "x""#, with: #""command": "x", \#(key)"#)
            let warnings = try review(#""backend": "puma", "hibernate": {}"#, service: awake).warnings
            #expect(warnings.map(\.path) == ["cables[0].hibernate"])
            #expect(warnings[0].sentence == "\"puma\" never sleeps, because its \(cause)")
            #expect(try review(#""backend": "puma""#, service: awake).warnings == [])
        }
    }
}
