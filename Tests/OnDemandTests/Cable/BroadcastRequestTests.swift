import Testing

@testable import OnDemand

struct BroadcastRequestTests {
    // MARK: What clients receive

    @Test(
        "Action Cable clients get the parsed JSON, TurboCable clients the posted text",
        arguments: [
            (#""<turbo-stream action=\"append\">""#, #""<turbo-stream action=\"append\">""#),
            (#""{\"n\":1.50,\"big\":12345678901234567890}""#, #"{"n":1.50,"big":12345678901234567890}"#),
            (#"{"n":1.50,"a":[1e5,-0]}"#, #"{"n":1.50,"a":[1e5,-0]}"#), (#"{ "a" : 1 }"#, #"{ "a" : 1 }"#),
            (#""hello""#, #""hello""#), (#""123""#, "123"), (#""1.""#, #""1.""#), (#""null""#, "null"),
            (#""true""#, "true"), (#""""#, #""""#), (#"" ""#, #"" ""#), (#"" [1] \n""#, "[1]"), ("null", "null"),
            ("1.0", "1.0"), ("[]", "[]"), (#""\"text\"""#, #""text""#), (#""\ud800""#, #""\ud800""#),
            (#""\"\\ud800\"""#, #""\ud800""#), (#""{\"a\":1,}""#, #""{\"a\":1,}""#), (#""\u007b\u007d""#, "{}"),
        ])
    func data(posted: String, message: String) throws {
        let body = "{\"stream\":\"s\",\"data\":\(posted)}"
        #expect(try read(body) == [Received(stream: "s", message: message, data: posted)])
        #expect(try read("[\(body)]") == [Received(stream: "s", message: message, data: posted)])
    }

    @Test("without data Action Cable clients get null, and TurboCable clients no data")
    func noData() throws {
        #expect(try read(#"{"stream":"s"}"#) == [Received(stream: "s", message: "null", data: nil)])
    }

    @Test("data of the maximum depth arrives in a string, too")
    func deepData() throws {
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(try read("{\"stream\":\"s\",\"data\":\"\(deep)\"}").first?.message == deep)
        let deeper = "[" + deep + "]"
        #expect(try read("{\"stream\":\"s\",\"data\":\"\(deeper)\"}").first?.message == "\"\(deeper)\"")
    }

    @Test("a list keeps its order, and an empty one has no effect")
    func list() throws {
        let body = #"[{"data":1,"stream":"b"},{"stream":"a","data":2},{"stream":"b","data":"3"}]"#
        #expect(try read(body).map(\.stream) == ["b", "a", "b"])
        #expect(try read(body).map(\.message) == ["1", "2", "3"])
        #expect(try read("[]").isEmpty)
    }

    @Test("a stream may be any text, and keys may be escaped, repeated and unknown")
    func streams() throws {
        #expect(try read(#"{"stream":"caf\u00e9 \u0000*:\/","x":1}"#).map(\.stream) == ["caf\u{e9} \u{0}*:/"])
        #expect(try read(#"{"stream":"a","\u0073tream":"b","data":1,"data":2}"#).map(\.message) == ["2"])
        #expect(try read(#"{"stream":"a","\u0073tream":"b"}"#).map(\.stream) == ["b"])
    }

    @Test("one socket may be excluded")
    func excludedSocket() throws {
        #expect(try read(#"{"stream":"s","data":1,"meta":{"exclude_socket":"a\u0062c"}}"#).map(\.excluded) == ["abc"])
        for meta in ["{}", "null", #"{"exclude_socket":null}"#, #"{"broadcast_type":"x"}"#] {
            #expect(try read("{\"stream\":\"s\",\"meta\":\(meta)}").map(\.excluded) == [nil])
        }
    }

    // MARK: Disconnect

    @Test("the disconnect command names identifiers and whether the client may return")
    func disconnect() throws {
        let identifier = Array(#"{"user_id":15}"#.utf8)
        let escaped = #""{\"user_id\":15}""#
        #expect(
            try disconnectRequest("{\"identifier\":\(escaped),\"reconnect\":true}")
                == .disconnect(identifier: identifier, reconnect: true))
        #expect(
            try disconnectRequest("{\"reconnect\":false,\"identifier\":\(escaped)}")
                == .disconnect(identifier: identifier, reconnect: false))
        #expect(
            try disconnectRequest("{\"identifier\":\(escaped)}")
                == .disconnect(identifier: identifier, reconnect: false))
    }

    private func disconnectRequest(_ payload: String) throws -> BroadcastRequest {
        try request("{\"command\":\"disconnect\",\"payload\":\(payload)}")
    }

    // MARK: Refusals

    @Test(
        "a rejected request has a reason, and in a list its position",
        arguments: [
            ("", "invalid JSON at byte 0"), ("{\"stream\":\"s\"", "invalid JSON at byte 13"),
            ("{} {}", "invalid JSON at byte 3"), ("1", "not an object with \"stream\" and \"data\""),
            ("\"s\"", "not an object with \"stream\" and \"data\""), ("{}", "\"stream\" is missing or empty"),
            (#"{"data":1}"#, "\"stream\" is missing or empty"), (#"{"stream":""}"#, "\"stream\" is missing or empty"),
            (#"{"stream":1}"#, "\"stream\" is not a string"), (#"{"stream":null}"#, "\"stream\" is not a string"),
            (#"{"stream":"\udc00"}"#, "\"stream\" is not a string"),
            (#"{"stream":"s","meta":1}"#, "\"meta\" is not an object"),
            (#"{"stream":"s","meta":{"exclude_socket":1}}"#, "\"meta.exclude_socket\" is not a string"),
            (#"[{"stream":"a"},{"stream":"b"},{"data":1}]"#, "item 2: \"stream\" is missing or empty"),
            (#"[{"stream":"a"},[]]"#, "item 1: not an object with \"stream\" and \"data\""),
            (#"[{"command":"disconnect","payload":{"identifier":"x"}}]"#, "item 0: a command cannot be part of a list"),
            (#"{"command":"stop"}"#, "unknown \"command\"; there is \"disconnect\""),
            (#"{"command":1,"stream":"s"}"#, "unknown \"command\"; there is \"disconnect\""),
            (#"{"command":"disconnect"}"#, "\"payload.identifier\" is missing or not a string"),
            (#"{"command":"disconnect","payload":[]}"#, "\"payload.identifier\" is missing or not a string"),
            (
                #"{"command":"disconnect","payload":{"identifier":{}}}"#,
                "\"payload.identifier\" is missing or not a string"
            ),
            (
                #"{"command":"disconnect","payload":{"identifier":"x","reconnect":"yes"}}"#,
                "\"payload.reconnect\" is not true or false"
            ),
        ])
    func refused(body: String, sentence: String) {
        let error = #expect(throws: BroadcastError.self) { try request(body) }
        #expect(error?.sentence == sentence)
    }

    @Test("a stream above the length limit, invalid UTF-8 and excessive depth are rejected")
    func limits() throws {
        let longest = String(repeating: "s", count: 1024)
        #expect(try read("{\"stream\":\"\(longest)\"}").map(\.stream) == [longest])
        let long = #expect(throws: BroadcastError.self) { try request("{\"stream\":\"\(longest)s\"}") }
        #expect(long?.sentence == "\"stream\" is longer than 1024 bytes")
        let bytes = Array(#"{"stream":"s","data":""#.utf8) + [0xff] + Array("\"}".utf8)
        let encoding = #expect(throws: BroadcastError.self) { try BroadcastRequest.read(bytes.span) }
        #expect(encoding?.sentence == "invalid UTF-8 at byte 22")
        let deep = #expect(throws: BroadcastError.self) { try request(String(repeating: "[", count: 1000)) }
        #expect(deep?.sentence == "nested deeper than 100 levels at byte 100")
    }

    // MARK: Support

    private struct Received: Equatable {
        let stream: String
        let message: String
        let data: String?
        var excluded: String?
    }

    private func request(_ body: String) throws(BroadcastError) -> BroadcastRequest {
        let bytes = Array(body.utf8)
        return try BroadcastRequest.read(bytes.span)
    }

    private func read(_ body: String) throws -> [Received] {
        let bytes = Array(body.utf8)
        guard case .publish(let broadcasts) = try BroadcastRequest.read(bytes.span) else { return [] }
        return broadcasts.map { broadcast in
            var message: [UInt8] = []
            broadcast.appendMessage(from: bytes.span, to: &message)
            var data: [UInt8] = []
            let hasData = broadcast.appendData(from: bytes.span, to: &data)
            return Received(
                stream: String(decoding: broadcast.stream, as: UTF8.self),
                message: String(decoding: message, as: UTF8.self),
                data: hasData ? String(decoding: data, as: UTF8.self) : nil,
                excluded: broadcast.excludedSocket.map { String(decoding: $0, as: UTF8.self) })
        }
    }
}
