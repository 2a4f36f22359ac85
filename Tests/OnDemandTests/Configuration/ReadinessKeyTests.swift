import Testing

@testable import OnDemand

/// The readiness key of a backend.
@Suite struct ReadinessKeyTests {
    private func readiness(_ text: String) throws -> ReadinessCheck? {
        let file = Sample.file(service: Sample.plain, #""on_demand": {"command": "x", "readiness": \#(text)}"#)
        return try Configuration.read(Array(file.utf8), environment: [:]).services.first?.policy.readiness
    }

    @Test("a word is a kind with its defaults")
    func words() throws {
        #expect(try readiness(#""tcp""#) == .tcp)
        #expect(try readiness(#""http""#) == .http(path: "/", status: .any))
        #expect(try readiness(#""websocket""#) == .webSocket(path: "/"))
        #expect(try readiness(#""notify""#) == .notify)
        #expect(try readiness(#"{"kind": "socket"}"#) == .socket)
    }

    @Test("an object has further settings")
    func objects() throws {
        #expect(try readiness(#"{"kind": "tcp"}"#) == .tcp)
        #expect(try readiness(#"{"kind": "http", "path": "/up?a=1"}"#) == .http(path: "/up?a=1", status: .any))
        #expect(try readiness(#"{"kind": "http", "status": "any"}"#) == .http(path: "/", status: .any))
        #expect(try readiness(#"{"kind": "http", "status": "2xx"}"#) == .http(path: "/", status: .success))
        #expect(try readiness(#"{"kind": "http", "status": 204}"#) == .http(path: "/", status: .exactly(204)))
        #expect(try readiness(#"{"kind": "websocket", "path": "/cable"}"#) == .webSocket(path: "/cable"))
    }

    @Test(
        "an invalid readiness has its error",
        arguments: [
            ("5", "expected a word such as"), (#""htpp""#, #"did you mean "http"?"#), (#"{"path": "/"}"#, "is missing"),
            (#"{"kind": "tcp", "path": "/"}"#, "only http and websocket ask for a path"),
            (#"{"kind": "websocket", "status": 101}"#, "a WebSocket opens with 101"),
            (#"{"kind": "tcp", "status": "any"}"#, "only http expects a status"),
            (#"{"kind": "http", "path": "up"}"#, "does not begin with a slash"),
            (#"{"kind": "http", "path": "/a b"}"#, "has a character that a path cannot have"),
            (#"{"kind": "http", "path": "/a\r\nX: y"}"#, "has a character that a path cannot have"),
            (#"{"kind": "http", "status": "204"}"#, "an exact status is a number"),
            (#"{"kind": "http", "status": 101}"#, "a whole number from 200 to 599"),
            (#"{"kind": "http", "code": 200}"#, "unknown key"),
            (#"{"kind": "notify", "path": "/"}"#, "only http and websocket ask for a path"),
            (#"{"kind": "socket", "status": 200}"#, "only http expects a status"),
            (#""notify", "env": {"NOTIFY_SOCKET": "@x"}"#, "is set by the daemon itself"),
            (#""socket", "env": {"LISTEN_FDS": "2"}"#, "is set by the daemon itself"),
        ])
    func mistakes(text: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try readiness(text) }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
    }

    @Test("a path that is invalid in a request line is rejected")
    func longPath() {
        let path = "/" + String(repeating: "a", count: 2048)
        #expect(throws: ConfigurationErrors.self) { try readiness(#"{"kind": "http", "path": "\#(path)"}"#) }
    }
}
