import Testing

@testable import OnDemand

struct StreamTemplateTests {
    @Test(
        "parameters are filled from strings and numbers, and numbers keep their notation",
        arguments: [
            (#"{"channel":"C","database":"2025-boston"}"#, "live-scores-2025-boston"),
            (#"{"channel":"C","database":7}"#, "live-scores-7"),
            (#"{"database":12.50}"#, "live-scores-12.50"), (#"{"database":-0}"#, "live-scores--0"),
            (#"{"database":1e3}"#, "live-scores-1e3"),
            (#"{"database":123456789012345678901234567890}"#, "live-scores-123456789012345678901234567890"),
            (#"{"database":"a\u002db\/c"}"#, "live-scores-a-b/c"), (#"{"d\u0061tabase":"x"}"#, "live-scores-x"),
            (#"{"database":"old","database":"new"}"#, "live-scores-new"), (#"{"database":""}"#, "live-scores-"),
            // No character of a value is special: not separators, nor those of templates, patterns or Redis.
            (#"{"database":"a-b:c/d*e?f[g]{h}\\i\"j"}"#, #"live-scores-a-b:c/d*e?f[g]{h}\i"j"#),
            (#"{"database":" é😀 "}"#, "live-scores- \u{e9}\u{1F600} "),
        ])
    func filled(identifier: String, name: String) throws {
        #expect(try streamName("live-scores-{database}", identifier) == name)
    }

    @Test(
        "a subscription is rejected without its parameter, or with a value that is neither string nor number",
        arguments: [
            "{}", #"{"Database":"x"}"#, #"{"database":null}"#, #"{"database":true}"#, #"{"database":["x"]}"#,
            #"{"database":{"database":"x"}}"#, #"{"params":{"database":"x"}}"#, #"{"database":"x","database":null}"#,
            #"{"database":"\ud800"}"#, "[]", "\"database\"", "", "{\"database\":\"x\"", #"{"database":"x"} x"#,
        ])
    func rejected(identifier: String) throws {
        #expect(try streamName("live-scores-{database}", identifier) == nil)
    }

    @Test("no control character gets into a name", arguments: Array(0..<0x20) + [0x7f, 0x80, 0x9f] as [UInt32])
    func controls(value: UInt32) throws {
        let digits = String(value, radix: 16)
        let escape = "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        #expect(try streamName("s-{x}", "{\"x\":\"a\(escape)b\"}") == nil)
        #expect(try streamName("s-{x}", #"{"x":"a\u00a0b"}"#) == "s-a\u{a0}b")
    }

    @Test("a name that is too long, empty or reserved is rejected, whatever its origin")
    func names() throws {
        let long = String(repeating: "a", count: 1022)
        #expect(try streamName("s-{x}", "{\"x\":\"\(long)\"}") == "s-" + long)
        #expect(try streamName("s-{x}", "{\"x\":\"\(long)a\"}") == nil)
        #expect(try streamName("{x}", #"{"x":""}"#) == nil)
        for reserved in ["__anycable__", "__anycable_internal__", "_action_cable_internal", "action_cable/x"] {
            #expect(try streamName("{x}", "{\"x\":\"\(reserved)\"}") == nil)
        }
        #expect(try streamName("action_{x}", #"{"x":"cable/User"}"#) == nil)
        #expect(try streamName("__any{x}", #"{"x":"cable__"}"#) == nil)
    }

    @Test("several parameters are filled, each as often as it occurs")
    func several() throws {
        #expect(try streamName("{a}:{b}/{a}", #"{"b":2,"a":"x"}"#) == "x:2/x")
        #expect(try streamName("{a}:{b}/{a}", #"{"a":"x"}"#) == nil)
        // As in Ruby, the boundary between two parameters is not visible in the name.
        #expect(try streamName("{a}-{b}", #"{"a":"1-2","b":"3"}"#) == "1-2-3")
        #expect(try streamName("{a}-{b}", #"{"a":"1","b":"2-3"}"#) == "1-2-3")
    }

    @Test("a template without parameters is the stream of every subscription whose identifier is an object")
    func constant() throws {
        #expect(try streamName("news", #"{"channel":"NewsChannel"}"#) == "news")
        #expect(try streamName("news", "not JSON") == nil)
    }

    @Test(
        "an invalid template is an error",
        arguments: [
            ("", .empty), ("a{b", .unclosedBrace), ("a}b", .strayBrace), ("{}", .emptyParameter),
            ("{a{b}}", .strayBrace), ("{a}}", .strayBrace), ("{{a}}", .strayBrace), ("x-{channel}", .channelParameter),
        ] as [(String, StreamTemplateError)])
    func errors(template: String, expected: StreamTemplateError) {
        let error = #expect(throws: StreamTemplateError.self) { try StreamTemplate(template) }
        #expect(error == expected)
        #expect(error?.sentence.isEmpty == false)
    }

    @Test("a template is printed as it was written, and is open where it begins with a parameter")
    func text() throws {
        for (text, isOpen) in [("x", false), ("live-{a}-{b}-{a}", false), ("{a}", true), ("{a}-x", true)] {
            let template = try StreamTemplate(text)
            #expect(template.text == text && template.isOpen == isOpen)
        }
    }

    private func streamName(_ template: String, _ identifier: String) throws -> String? {
        let bytes = Array(identifier.utf8)
        return try StreamTemplate(template).streamName(for: bytes.span).map { String(decoding: $0, as: UTF8.self) }
    }
}
