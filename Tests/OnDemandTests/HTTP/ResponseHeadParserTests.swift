import Testing

@testable import OnDemand

@Suite struct ResponseHeadParserTests {
    @Test("a response head becomes ranges, however it arrives")
    func ordinaryHead() throws {
        let bytes = responseBytes("Set-Cookie: a", "Set-Cookie: b", line: "HTTP/1.1 404 Not  Found\u{e9}")
        let head = try responseHead(bytes)
        #expect(head.status == 404)
        #expect(String(bytes.span, head.reason) == "Not  Found\u{e9}")
        #expect(head.values(of: "set-cookie", in: bytes.span).map { String(bytes.span, $0) } == ["a", "b"])
        #expect(head.byteCount == bytes.count)
        for pieces in Splits.all(of: bytes + Array("body".utf8)) {
            #expect(Feeding.response(pieces) == .success(head))
        }
    }

    @Test("an empty phrase is valid, with and without its space")
    func emptyReason() throws {
        #expect(try responseHead(responseBytes(line: "HTTP/1.0 200 ")).reason.isEmpty)
        #expect(try responseHead(responseBytes(line: "HTTP/1.1 200")).reason.isEmpty)
    }

    @Test("interim responses are distinct from final ones, and a 101 is final")
    func interim() throws {
        #expect(try responseHead(responseBytes(line: "HTTP/1.1 100 Continue")).isInterim)
        #expect(try responseHead(responseBytes(line: "HTTP/1.1 103 Early Hints")).isInterim)
        #expect(try !responseHead(responseBytes(line: "HTTP/1.1 101 Switching Protocols")).isInterim)
        #expect(try !responseHead(responseBytes()).isInterim)
    }

    @Test("blanks between a name and its colon are removed")
    func blankBeforeColon() throws {
        let bytes = responseBytes("Content-Length : 5", "X-A \t: b")
        let head = try responseHead(bytes)
        #expect(head.onlyValue(of: .contentLength).map { String(bytes.span, $0) } == "5")
        #expect(head.text(of: "x-a", in: bytes.span) == "b")
        for pieces in Splits.all(of: bytes) { #expect(Feeding.response(pieces) == .success(head)) }
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n") == .whitespaceInName(at: 28))
    }

    @Test("a response may be larger than a request, and has its own limits")
    func ownLimits() throws {
        let large = responseBytes("X: \(String(repeating: "a", count: 60_000))")
        #expect(try responseHead(large).byteCount == large.count)
        let fields = { (count: Int) in
            Array("HTTP/1.1 200 OK\r\n\(String(repeating: "A: b\r\n", count: count))\r\n".utf8)
        }
        #expect(try responseHead(fields(256)).fields.count == 256)
        #expect(Feeding.response([fields(257)], limits: .ofResponse) == .failure(.tooManyFields))
        let tooLarge = responseBytes("X: \(String(repeating: "a", count: 66_000))")
        #expect(Feeding.response([tooLarge], limits: .ofResponse) == .failure(.headTooLarge))
    }

    @Test("one parser parses two consecutive heads")
    func interimThenFinal() throws {
        var parser = ResponseHeadParser()
        var bytes = responseBytes(line: "HTTP/1.1 100 Continue") + responseBytes()
        let first = try #require(try parser.examine(bytes.span))
        bytes.removeFirst(first.byteCount)
        #expect(try parser.examine(bytes.span)?.status == 200)
    }

    @Test("the backend's keep-alive is detected")
    func persistence() throws {
        #expect(try responseHead(responseBytes()).wantsKeepAlive)
        #expect(try !responseHead(responseBytes("Connection: close")).wantsKeepAlive)
        #expect(try !responseHead(responseBytes(line: "HTTP/1.0 200 OK")).wantsKeepAlive)
        #expect(try responseHead(responseBytes("Connection: keep-alive", line: "HTTP/1.0 200 OK")).wantsKeepAlive)
    }

    @Test(
        "an invalid response of a backend is rejected",
        arguments: [
            ("HTTP/1.1 99 Low\r\n\r\n", HeadError.malformedStatusLine), ("HTTP/1.1 600 High\r\n\r\n", .invalidStatus),
            ("HTTP/1.1 099 Low\r\n\r\n", .invalidStatus), ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine), ("HTTP/1.1 +20 OK\r\n\r\n", .malformedStatusLine),
            ("HTTP/1.1 200OK\r\n\r\n", .malformedStatusLine), ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
            ("ICY 200 OK and more\r\n\r\n", .malformedStatusLine),
            ("http/1.1 200 OK\r\n\r\n", .malformedVersion(at: 0)),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", .malformedStatusLine), ("HTTP/1.1 200 OK\n\n", .bareLineFeed(at: 15)),
            ("HTTP/1.1 200 O\0K\r\n\r\n", .controlCharacter(at: 14)), ("<html>\n", .bareLineFeed(at: 6)),
            ("HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", .whitespaceInName(at: 18)),
            ("HTTP/1.1 200 OK\r\nA B : c\r\n\r\n", .whitespaceInName(at: 18)),
            ("HTTP/1.1 200 OK\r\n: b\r\n\r\n", .emptyName(at: 17)),
            ("HTTP/1.1 200 OK\r\nA \r\n\r\n", .missingColon(at: 17)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .obsoleteFolding(at: 23)),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", .bareCarriageReturn(at: 21)),
        ])
    func garbage(text: String, error: HeadError) {
        for pieces in Splits.all(of: Array(text.utf8)) { #expect(Feeding.response(pieces) == .failure(error)) }
    }
}
