import Testing

@testable import OnDemand

@Suite struct HeadRewriterTests {
    private func request(
        _ lines: [String], target: String = "/t", set: [(name: String, value: String)] = [],
        upgrade: UpgradeIntent = .none, keepAlive: Bool = false, version: HTTPVersion = .http11
    ) throws -> [String] {
        let bytes = Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
        var output: [UInt8] = []
        HeadRewriter.request(
            try requestHead(bytes), in: bytes, target: Array(target.utf8)[...], own: own(set),
            authority: "backend:3000", upgrade: upgrade, keepAlive: keepAlive, version: version, into: &output)
        return try self.lines(of: output)
    }

    private func own(_ set: [(name: String, value: String)]) -> AddedHeaders {
        var fields = AddedHeaders()
        for field in set { fields.set(field.name, field.value) }
        return fields
    }

    private func response(
        _ lines: [String], keepAlive: Bool = true, to client: HTTPVersion = .http11, upgrade: Bool = false
    ) throws -> [String] {
        let bytes = Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
        var output: [UInt8] = []
        HeadRewriter.response(
            try responseHead(bytes), in: bytes, keepAlive: keepAlive, clientVersion: client, upgrade: upgrade,
            into: &output)
        return try self.lines(of: output)
    }

    /// The lines between CRLFs; the last two are empty when the head is complete.
    private func lines(of output: [UInt8]) throws -> [String] {
        let text = String(decoding: output, as: UTF8.self)
        try #require(text.hasSuffix("\r\n\r\n"))
        return text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0.filter { $0 != "\r" }) }.dropLast(2)
    }

    @Test("fields travel byte for byte, in order, with duplicates and odd spacing")
    func transparency() throws {
        let bytes = Array("POST /a?b HTTP/1.1\r\nhOST:a\r\nX-B: 2\r\nX-A:  1  \r\nx-b:3\r\nEmpty:\r\n\r\n".utf8)
        var output = Array("before".utf8)
        HeadRewriter.request(
            try requestHead(bytes), in: bytes, target: Array("/c?d".utf8)[...], own: AddedHeaders(), authority: "z",
            upgrade: .none, into: &output)
        let expected =
            "beforePOST /c?d HTTP/1.1\r\nhOST:a\r\nX-B: 2\r\nX-A:  1  \r\nx-b:3\r\nEmpty:\r\nConnection: close\r\n\r\n"
        #expect(String(decoding: output, as: UTF8.self) == expected)
    }

    @Test("a tab around a value becomes a space, because some servers take it for a part of the value")
    func tabs() throws {
        let head = ["POST / HTTP/1.1", "Host:\ta", "Transfer-Encoding: \tchunked", "X: a\tb", "Y:\t", "Z:c\t "]
        #expect(
            try request(head, target: "/", keepAlive: true)
                == ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "X: a\tb", "Y: ", "Z: c"])
    }

    @Test("bytes that are not text pass unchanged")
    func opaqueBytes() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xe9, 0xff, 0x80] + Array("\r\n\r\n".utf8)
        var output: [UInt8] = []
        HeadRewriter.request(
            try requestHead(bytes), in: bytes, target: [0x2f], own: AddedHeaders(), authority: "", upgrade: .none,
            keepAlive: true, into: &output)
        #expect(output == bytes)
    }

    @Test("hop-by-hop fields are removed, and those that Connection names")
    func hopByHop() throws {
        let head = [
            "GET / HTTP/1.1", "Host: a", "Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5",
            "X-Hop-Not: 2", "Proxy-Connection: keep-alive", "TE: trailers", "connection: ,x-other", "X-OTHER: 3",
            "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Trailer: Digest",
        ]
        #expect(
            try request(head, upgrade: .ignored) == [
                "GET /t HTTP/1.1", "Host: a", "X-Hop-Not: 2", "Trailer: Digest", "Connection: close",
            ])
    }

    @Test(
        "Connection cannot remove the fields that the other end needs",
        arguments: [
            "Host", "Content-Length", "Content-Type", "Authorization", "Cookie", "Origin", "X-Forwarded-For",
            "x-forwarded-proto", "Forwarded", "Sec-WebSocket-Key", "Sec-Fetch-Site", "Cache-Control", "If-Match",
        ])
    func essentials(name: String) throws {
        let value = name == "Content-Length" || name == "Host" ? "5" : "v"
        let own = name == "Host" ? ["\(name): \(value)"] : ["Host: a", "\(name): \(value)"]
        let sent = try request(["POST / HTTP/1.1", "Connection: \(name.lowercased()), close"] + own)
        #expect(sent == ["POST /t HTTP/1.1"] + own + ["Connection: close"])
    }

    @Test("framing fields are unchanged, even when Connection names them")
    func framing() throws {
        let chunked = ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding:  Chunked", "Connection: transfer-encoding"]
        #expect(try request(chunked).contains("Transfer-Encoding:  Chunked"))
        #expect(try request(["POST / HTTP/1.1", "Host: a", "content-length:5"]).contains("content-length:5"))
    }

    @Test("set fields replace the client's in any spelling, and come after the others")
    func setFields() throws {
        let head = [
            "GET / HTTP/1.1", "Host: a", "X-Forwarded-For: 6.6.6.6", "x_forwarded_for: 7.7.7.7", "X-Keep: 1",
            "X-FORWARDED-PROTO: https", "X-Forwarded-Fort: 2",
        ]
        let set = [(name: "X-Forwarded-For", value: "1.2.3.4"), (name: "X-Forwarded-Proto", value: "http")]
        #expect(
            try request(head, set: set, keepAlive: true) == [
                "GET /t HTTP/1.1", "Host: a", "X-Keep: 1", "X-Forwarded-Fort: 2", "X-Forwarded-For: 1.2.3.4",
                "X-Forwarded-Proto: http",
            ])
    }

    @Test("a client without Host gets the authority, an absolute target's own, or the one that is set")
    func missingHost() throws {
        let kept = try request(["GET / HTTP/1.0", "X: 1"])
        #expect(kept == ["GET /t HTTP/1.1", "Host: backend:3000", "X: 1", "Connection: close"])
        #expect(try request(["GET http://b/ HTTP/1.0"])[1] == "Host: b")
        #expect(try request(["GET / HTTP/1.0"], set: [(name: "HOST", value: "c")])[1] == "HOST: c")
        let replaced = try request(["GET / HTTP/1.1", "Host: a"], set: [(name: "Host", value: "c")], keepAlive: true)
        #expect(replaced == ["GET /t HTTP/1.1", "Host: c"])
    }

    @Test("the host of an absolute target replaces the Host field, before all other fields")
    func absoluteHost() throws {
        let head = ["GET http://b:81/x HTTP/1.1", "X: 1", "Host: a", "Y: 2"]
        #expect(try request(head, keepAlive: true) == ["GET /t HTTP/1.1", "Host: b:81", "X: 1", "Y: 2"])
        let same = ["GET http://A/x HTTP/1.1", "X: 1", "hOST: a"]
        #expect(try request(same, keepAlive: true) == ["GET /t HTTP/1.1", "X: 1", "hOST: a"])
        #expect(try request(head, set: [(name: "Host", value: "c")]).filter { $0.hasPrefix("Host") } == ["Host: c"])
    }

    @Test("the field Proxy is removed, because programs take it for a variable", arguments: ["Proxy", "pROXY"])
    func httpoxy(name: String) throws {
        let head = ["GET / HTTP/1.1", "Host: a", "\(name): http://evil:3128", "Proxy-Status: x", "X-Proxy: y"]
        #expect(
            try request(head, keepAlive: true) == ["GET /t HTTP/1.1", "Host: a", "Proxy-Status: x", "X-Proxy: y"])
    }

    @Test("a length loses its leading zeros, in both directions")
    func leadingZeros() throws {
        let head = ["POST / HTTP/1.1", "Host: a", "content-length:0000002"]
        #expect(try request(head, keepAlive: true) == ["POST /t HTTP/1.1", "Host: a", "content-length: 2"])
        #expect(try response(["HTTP/1.1 200 OK", "Content-Length: 00"]) == ["HTTP/1.1 200 OK", "Content-Length: 0"])
        #expect(try response(["HTTP/1.1 200 OK", "X: 007"]) == ["HTTP/1.1 200 OK", "X: 007"])
    }

    @Test("of a response, blanks before a colon are removed, of a 101 too")
    func blankBeforeColon() throws {
        let head = ["HTTP/1.1 200 OK", "X-A : b", "X-B: c", "Set-Cookie \t:d", "Content-Length : 2"]
        #expect(
            try response(head)
                == ["HTTP/1.1 200 OK", "X-A: b", "X-B: c", "Set-Cookie: d", "Content-Length: 2"])
        let switching = ["HTTP/1.1 101 Switching Protocols", "Upgrade : websocket", "Connection: Upgrade"]
        #expect(
            try response(switching, upgrade: true)
                == ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"])
    }

    @Test("many options of Connection cover exactly the fields that they name, in any case")
    func manyOptions() throws {
        let options = (0..<90).flatMap { ["X-HOP-\($0)", "x-hop-\($0)"] } + ["q", "Q", "qq", "x-hop-", "x-hop-1000"]
        let fields = (70..<150).map { "x-Hop-\($0): 1" } + ["q: 1", "qqq: 2", "x-hop: 3"]
        let head = ["GET / HTTP/1.1", "Host: a", "Connection: \(options.joined(separator: ","))"]
        let kept = (90..<150).map { "x-Hop-\($0): 1" } + ["qqq: 2", "x-hop: 3"]
        #expect(try request(head + fields, keepAlive: true) == ["GET /t HTTP/1.1", "Host: a"] + kept)
    }

    @Test("R4 a WebSocket upgrade gets new hop-by-hop fields, its own fields stay")
    func upgrade() throws {
        let head = [
            "GET / HTTP/1.1", "Host: a", "Connection: keep-alive, Upgrade, Sec-WebSocket-Key",
            "Upgrade: h2c, websocket",
            "Sec-WebSocket-Key: x", "Sec-WebSocket-Extensions: permessage-deflate", "Origin: http://a",
        ]
        #expect(
            try request(head, upgrade: .webSocket) == [
                "GET /t HTTP/1.1", "Host: a", "Sec-WebSocket-Key: x", "Sec-WebSocket-Extensions: permessage-deflate",
                "Origin: http://a", "Connection: Upgrade", "Upgrade: websocket",
            ])
    }

    @Test("persistence is explicit where the version does not imply it")
    func requestPersistence() throws {
        let head = ["GET / HTTP/1.0", "Host: a"]
        #expect(try request(head, keepAlive: true) == ["GET /t HTTP/1.1", "Host: a"])
        #expect(
            try request(head, keepAlive: true, version: .http10)
                == ["GET /t HTTP/1.0", "Host: a", "Connection: keep-alive"])
        #expect(try request(head, version: .http10).last == "Connection: close")
    }

    @Test("a rewritten head parses to the same request", arguments: 0..<50 as Range<UInt64>)
    func rendersEquivalent(seed: UInt64) throws {
        var random = Seeded(seed: seed)
        var lines = ["POST /x HTTP/1.1", "Host: a"]
        let names = ["X-A", "Cookie", "Via", "Keep-Alive", "TE", "x-b", "Accept", "Upgrade", "X-Hop"]
        let values = ["", "1", " a, b ", "\"q\"", "keep-alive", "x:y"]
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            lines.append("\(names.randomElement(using: &random)!):\(values.randomElement(using: &random)!)")
        }
        if Bool.random(using: &random) { lines.append("Connection: x-hop") }
        lines.append("Content-Length: 7")
        let gone =
            ["keep-alive", "te", "upgrade", "connection"] + (lines.contains("Connection: x-hop") ? ["x-hop"] : [])
        let kept = lines.dropFirst().filter { !gone.contains(String($0.prefix { $0 != ":" }).lowercased()) }
        let sent = try request(lines, target: "/x", keepAlive: true)
        #expect(sent == [lines[0]] + kept, "seed \(seed)")
        let bytes = Array((sent + ["", ""]).joined(separator: "\r\n").utf8)
        #expect(try BodyFraming.ofRequest(requestHead(bytes), in: bytes.span) == .length(7))
    }

    @Test("a response is forwarded unchanged without the backend's hop-by-hop fields")
    func wholeAnswer() throws {
        let head = [
            "HTTP/1.0 200  Fine", "set-cookie:a", "Connection: keep-alive, X-Hop, Set-Cookie, Content-Length",
            "Keep-Alive: timeout=5", "X-Hop: 1", "Set-Cookie:  b ", "Upgrade: h2c", "Content-Length: 3",
        ]
        let kept = ["HTTP/1.1 200  Fine", "set-cookie:a", "Set-Cookie:  b ", "Content-Length: 3"]
        #expect(try response(head) == kept)
        #expect(try response(head, keepAlive: false) == kept + ["Connection: close"])
        #expect(try response(head, to: .http10) == kept + ["Connection: keep-alive"])
        #expect(try response(head, keepAlive: false, to: .http10) == kept + ["Connection: close"])
    }

    @Test("a phrase may be empty, an interim response has no Connection field")
    func shortAnswers() throws {
        #expect(try response(["HTTP/1.1 200"]) == ["HTTP/1.1 200 "])
        let hints = ["HTTP/1.1 103 Early Hints", "Link: </a.css>"]
        #expect(try response(hints + ["Connection: close"], keepAlive: false) == hints)
    }

    @Test("a switch to WebSocket is copied untouched")
    func switching() throws {
        let head = [
            "HTTP/1.1 101 Switching Protocols", "upgrade: WebSocket", "Connection:Upgrade", "Keep-Alive: x",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ]
        #expect(try response(head, upgrade: true) == head)
    }

    @Test("a set value with a line end traps")
    func injection() async {
        await #expect(processExitsWith: .failure) {
            var fields = AddedHeaders()
            fields.set("X", "a\r\nY: b")
        }
        await #expect(processExitsWith: .failure) {
            var fields = AddedHeaders()
            fields.add(.xForwardedHost, "a\nY: b")
        }
    }

    @Test("an invalid set name traps", arguments: ["", "X Y", "X:"])
    func brokenName(name: String) async {
        await #expect(processExitsWith: .failure) { [name] in
            var fields = AddedHeaders()
            fields.set(name, "a")
        }
    }
}
