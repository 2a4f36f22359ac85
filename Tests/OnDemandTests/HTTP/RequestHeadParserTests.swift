import Testing

@testable import OnDemand

@Suite struct RequestHeadParserTests {
    static let upgrade = """
        GET /cable?token=a?b HTTP/1.1\r
        Host: chat.example.com:8080\r
        Connection: keep-alive, Upgrade\r
        X-Empty:\r
        X-Spaced: \t two words\t \r
        Cookie: a=1\r
        cookie: b=\u{fc}\r
        \r

        """

    @Test("an ordinary head becomes ranges into its own bytes")
    func ordinaryHead() throws {
        let bytes = Array(Self.upgrade.utf8)
        let head = try requestHead(bytes)
        let text = { (range: ByteRange) in String(bytes.span, range) }
        #expect(text(head.method) == "GET")
        #expect(text(head.target) == "/cable?token=a?b")
        #expect(text(head.path) == "/cable")
        #expect(head.query.map(text) == "token=a?b")
        #expect(head.version == .http11)
        #expect(head.form == .origin)
        #expect(head.host.map(text) == "chat.example.com:8080")
        #expect(
            head.fields.map { text($0.name) } == ["Host", "Connection", "X-Empty", "X-Spaced", "Cookie", "cookie"])
        #expect(head.fields.map { text($0.value) }.dropFirst(2) == ["", "two words", "a=1", "b=\u{fc}"])
        #expect(head.values(of: "COOKIE", in: bytes.span).map(text) == ["a=1", "b=\u{fc}"])
        #expect(head.byteCount == bytes.count)
        #expect(!head.isHead && head.wantsKeepAlive)
    }

    @Test("a head has the same result in any split, and bytes after it are not touched")
    func everySplit() throws {
        let bytes = Array(Self.upgrade.utf8)
        let whole = Feeding.request([bytes])
        #expect(try whole.get() != nil)
        for pieces in Splits.all(of: bytes + Array("\n\0eager frames".utf8)) {
            #expect(Feeding.request(pieces) == whole)
        }
    }

    @Test("the parser requests more bytes until the last line feed")
    func incomplete() {
        let bytes = Array(Self.upgrade.utf8)
        for count in 0..<bytes.count { #expect(Feeding.request([Array(bytes[..<count])]) == .success(nil)) }
    }

    @Test("parsed bytes are not parsed again")
    func linearWork() throws {
        var bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: 123".utf8)
        var parser = RequestHeadParser()
        #expect(try parser.examine(bytes.span) == nil)
        bytes[3] = HTTPByte.lineFeed  // Would be refused if it were read a second time.
        bytes[bytes.count - 1] = 0
        bytes += Array("\r\n\r\n".utf8)
        #expect(try parser.examine(bytes.span)?.fields.count == 2)
    }

    @Test("the parser is ready for the next head after one")
    func reuse() throws {
        let bytes = requestBytes("X-A: 1")
        var parser = RequestHeadParser()
        let first = try parser.examine(bytes.span)
        #expect(first != nil)
        #expect(try parser.examine(bytes.span) == first)
    }

    @Test(
        "lines with an ambiguous end are rejected",
        arguments: [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError.bareLineFeed(at: 14)),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed(at: 23)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed(at: 25)),
            ("\nGET / HTTP/1.1\r\n", .bareLineFeed(at: 0)),
            ("GET / HTTP/1.1\rHost: a\r\n\r\n", .bareCarriageReturn(at: 14)),
            ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .bareCarriageReturn(at: 23)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\rX", .bareCarriageReturn(at: 25)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", .bareCarriageReturn(at: 29)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", .obsoleteFolding(at: 31)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tfolded: 1\r\n\r\n", .obsoleteFolding(at: 31)),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .obsoleteFolding(at: 16)),
            ("GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", .obsoleteFolding(at: 25)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", .controlCharacter(at: 29)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}\r\n\r\n", .controlCharacter(at: 29)),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1b}[2J\r\n\r\n", .controlCharacter(at: 28)),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", .controlCharacter(at: 44)),
            ("\u{16}\u{3}\u{1}", .controlCharacter(at: 0)),
        ])
    func lines(head: String, error: HeadError) {
        for pieces in Splits.all(of: Array(head.utf8)) { #expect(Feeding.request(pieces) == .failure(error)) }
        #expect(error.status == 400)
    }

    @Test(
        "a field name is a token directly before a colon",
        arguments: [
            ("Transfer-Encoding : chunked", HeadError.whitespaceInName(at: 42)),
            ("Transfer-Encoding\t: chunked", .whitespaceInName(at: 42)),
            ("Content Length: 3", .whitespaceInName(at: 32)),
            (": nothing", .emptyName(at: 25)),
            ("no colon at all", .missingColon(at: 25)),
            ("X[]: 1", .invalidName(at: 26)),
            ("X\u{e9}: 1", .invalidName(at: 26)),
            ("\"X\": 1", .invalidName(at: 25)),
        ])
    func names(field: String, error: HeadError) {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n".utf8)
        for pieces in Splits.all(of: bytes) { #expect(Feeding.request(pieces) == .failure(error)) }
    }

    @Test(
        "a request line is a method, a target and a version with single spaces",
        arguments: [
            ("GET /", HeadError.malformedRequestLine),
            ("GET", .malformedRequestLine),
            ("GET HTTP/1.1", .malformedRequestLine),
            (" GET / HTTP/1.1", .malformedRequestLine),
            ("GET  HTTP/1.1", .malformedRequestLine),
            ("GET  / HTTP/1.1", .spaceInTarget(at: 4)),
            ("GET /  HTTP/1.1", .spaceInTarget(at: 5)),
            ("GET /a b HTTP/1.1", .spaceInTarget(at: 6)),
            ("GET /a\tb HTTP/1.1", .spaceInTarget(at: 6)),
            ("GET / HTTP/1.1 ", .malformedVersion(at: 15)),
            ("GET / http/1.1", .malformedVersion(at: 6)),
            ("GET / HTTP/1,1", .malformedVersion(at: 6)),
            ("GET / HTTP/11.1", .malformedVersion(at: 6)),
            ("GET / HTTP/1.1x", .malformedVersion(at: 6)),
            ("GET / HTTP/1.", .malformedVersion(at: 6)),
            ("GET\t/ HTTP/1.1", .malformedRequestLine),
            ("G(T / HTTP/1.1", .invalidMethod(at: 1)),
            ("GET /#top HTTP/1.1", .fragmentInTarget(at: 5)),
            ("GET /\u{e9} HTTP/1.1", .invalidTarget(at: 5)),
        ])
    func requestLines(line: String, error: HeadError) {
        let bytes = Array("\(line)\r\nHost: example.com\r\n\r\n".utf8)
        for pieces in Splits.all(of: bytes) { #expect(Feeding.request(pieces) == .failure(error)) }
        #expect(error.status == 400)
    }

    @Test(
        "only HTTP/1.0 and 1.1 are supported, and every other version gets 505",
        arguments: ["0.9", "1.2", "2.0", "3.0"])
    func versions(version: String) {
        #expect(refusal(of: "GET / HTTP/\(version)\r\nHost: a\r\n\r\n") == .unsupportedVersion)
        #expect(refusal(of: "PRI * HTTP/\(version)\r\n\r\nSM\r\n\r\n") == .unsupportedVersion)
        #expect(HeadError.unsupportedVersion.status == 505)
    }

    @Test("methods that affect framing are written in capitals, CONNECT is not supported")
    func methods() {
        for line in ["head / HTTP/1.1", "Head / HTTP/1.1", "connect a:1 HTTP/1.1", "options * HTTP/1.1"] {
            #expect(refusal(of: "\(line)\r\nHost: a\r\n\r\n") == .methodInWrongCase)
        }
        #expect(refusal(of: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n") == .connectRefused)
        let method = String(repeating: "M", count: 33)
        #expect(refusal(of: "\(method) / HTTP/1.1\r\nHost: a\r\n\r\n") == .methodTooLong)
        #expect(refusal(of: "\(method.dropLast()) / HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        #expect(refusal(of: "patch / HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        for error in [HeadError.methodInWrongCase, .connectRefused, .methodTooLong] { #expect(error.status == 501) }
    }

    @Test("up to two empty lines before a request are skipped and counted, a third one is refused")
    func emptyLines() throws {
        for lines in ["\r\n", "\r\n\r\n"] {
            let bytes = Array("\(lines)GET /x HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            let head = try requestHead(bytes)
            #expect(head.byteCount == bytes.count)
            #expect(String(bytes.span, head.path) == "/x")
            for pieces in Splits.all(of: bytes) { #expect(Feeding.request(pieces) == .success(head)) }
        }
        #expect(refusal(of: "\r\n\r\n\r\nGET / HTTP/1.1\r\n") == .emptyRequestLine)
        #expect(refusal(of: "\n\nGET / HTTP/1.1\r\n") == .bareLineFeed(at: 0))
    }

    @Test("HEAD and keep-alive are detected")
    func persistence() throws {
        #expect(try requestHead(requestBytes(line: "HEAD / HTTP/1.1")).isHead)
        #expect(try requestHead(requestBytes()).wantsKeepAlive)
        #expect(try !requestHead(requestBytes("Connection: Close")).wantsKeepAlive)
        #expect(try !requestHead(requestBytes("Connection: upgrade", "connection: x, close")).wantsKeepAlive)
        #expect(try !requestHead(requestBytes(line: "GET / HTTP/1.0")).wantsKeepAlive)
        #expect(try requestHead(requestBytes("Connection: Keep-Alive", line: "GET / HTTP/1.0")).wantsKeepAlive)
        let both = requestBytes("Connection: close, keep-alive", line: "GET / HTTP/1.0")
        #expect(try !requestHead(both).wantsKeepAlive)
    }

    @Test("a client that waits for a 100 is detected, in HTTP/1.1 only")
    func expectation() throws {
        let modern = requestBytes("Expect: 100-Continue")
        #expect(try requestHead(modern).expectsContinue(in: modern.span))
        let old = requestBytes("Expect: 100-continue", line: "GET / HTTP/1.0")
        #expect(try !requestHead(old).expectsContinue(in: old.span))
    }

    @Test("random damage has the same result in any split", arguments: 0..<40 as Range<UInt64>)
    func damage(seed: UInt64) {
        var random = Seeded(seed: seed)
        var bytes = Array(Self.upgrade.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let candidates = Array("\r\n \t:\0,?/HTP\u{1}".utf8) + [UInt8.random(in: 0...255, using: &random)]
            let byte = candidates.randomElement(using: &random)!
            let index = Int.random(in: 0..<bytes.count, using: &random)
            if Bool.random(using: &random) { bytes[index] = byte } else { bytes.insert(byte, at: index) }
        }
        let whole = Feeding.request([bytes])
        for pieces in Splits.all(of: bytes) { #expect(Feeding.request(pieces) == whole, "seed \(seed)") }
    }
}
