import Testing

@testable import OnDemand

@Suite struct AddedHeadersTests {
    /// Returns the names that the fields replace.
    private func replaced(_ names: [String], by fields: AddedHeaders) throws -> [String] {
        try names.filter { name in
            let line = Array("\(name): x".utf8)
            let field = try HeaderField(ByteRange(0, line.count), in: line.span)
            return fields.standInPlace(of: field, in: line.span)
        }
    }

    @Test("lines are written as they appear in the head, in order")
    func lines() {
        var fields = AddedHeaders()
        fields.add(.xForwardedProto, "http")
        fields.add(.forwarded) { $0 += "for=1.2.3.4".utf8 }
        fields.set("X-Own", "")
        let expected = "X-Forwarded-Proto: http\r\nForwarded: for=1.2.3.4\r\nX-Own: \r\n"
        #expect(String(decoding: fields.lines, as: UTF8.self) == expected)
    }

    @Test("added fields replace fields of the same name, in any case, with _ for -, and no others")
    func names() throws {
        var fields = AddedHeaders()
        fields.add(.xForwardedFor, "1.2.3.4")
        fields.set("via", "1.1 a")
        fields.set("X-Own_Name", "a")
        let theirs = ["X_forwarded-FOR", "VIA", "x-own-name", "X_OWN_NAME"]
        let others = ["X-Forwarded-Fo", "X-Forwarded-Fox", "Vib", "X-Own-Nam", "Host", "X-Forwarded-Host", "Any"]
        #expect(try replaced(theirs + others, by: fields) == theirs)
        #expect(try replaced(theirs + others, by: AddedHeaders()) == [])
    }

    @Test("a header that the operator sets is not added, in any case")
    func exceptions() throws {
        var fields = AddedHeaders(exceptFor: ["x-forwarded-FOR", "X-Own"])
        fields.add(.xForwardedFor, "1.2.3.4")
        #expect(fields.lines.isEmpty)
        #expect(try replaced(["X-Forwarded-For"], by: fields) == [])
        fields.add(.xForwardedProto, "http")
        fields.set("X-Own", "a")
        #expect(String(decoding: fields.lines, as: UTF8.self) == "X-Forwarded-Proto: http\r\nX-Own: a\r\n")
    }

    @Test("whether the host is among them is known", arguments: [("Host", true), ("HOST", true), ("X-Host", false)])
    func host(name: String, isHost: Bool) {
        var fields = AddedHeaders()
        fields.set(name, "a")
        #expect(fields.haveHost == isHost)
    }
}
