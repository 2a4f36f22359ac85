import Testing

@testable import OnDemand

/// Known attacks, each as one byte stream: rejected, or parsed as exactly the requests in it.
@Suite struct SmugglingTests {
    private enum Verdict: Equatable {
        case head(HeadError)
        case framing(FramingError)
        case requests([String])
        case incomplete
    }

    /// Parses a stream as a proxy does: head, framing, body, next head.
    private func read(_ stream: String) -> Verdict {
        var rest = Array(stream.utf8)
        var targets: [String] = []
        while !rest.isEmpty {
            switch Feeding.request([rest]) {
            case .failure(let error): return .head(error)
            case .success(nil): return .incomplete
            case .success(let head?):
                targets.append(String(rest.span, head.target))
                do throws(FramingError) {
                    var reader = BodyReader(try BodyFraming.ofRequest(head, in: rest.span))
                    rest.removeFirst(head.byteCount)
                    rest.removeFirst(try reader.consume(rest.span))
                    guard reader.isFinished else { return .incomplete }
                } catch {
                    return .framing(error)
                }
            }
        }
        return .requests(targets)
    }

    private static let hidden = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"

    private func post(_ fields: String..., body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields.joined(separator: "\r\n"))\r\n\r\n\(body)"
    }

    @Test("a length and chunks together are rejected, in either order")
    func lengthAgainstChunks() {
        let both = ["Content-Length: 6", "Transfer-Encoding: chunked"]
        #expect(read(post(both[0], both[1], body: "0\r\n\r\nG")) == .framing(.lengthAndTransferEncoding))
        #expect(read(post(both[1], both[0], body: "0\r\n\r\nG")) == .framing(.lengthAndTransferEncoding))
        let spaced = post("Content-Length: 6", "Transfer-Encoding : chunked", body: "0\r\n\r\nG")
        #expect(read(spaced) == .head(.whitespaceInName(at: 62)))
        let folded = post("Content-Length: 6", "X: y", " Transfer-Encoding: chunked", body: "0\r\n\r\nG")
        #expect(read(folded) == .head(.obsoleteFolding(at: 51)))
        let under = post("Content-Length: 6", "Transfer_Encoding: chunked", body: "0\r\n\r\nG")
        #expect(read(under) == .framing(.lookalikeField))
    }

    @Test("two lengths", arguments: ["Content-Length: 0", "content-length: 33"])
    func twoLengths(second: String) {
        #expect(read(post("Content-Length: 33", second, body: Self.hidden)) == .framing(.severalLengths))
    }

    @Test(
        "obfuscated chunks",
        arguments: ["xchunked", "chunked, identity", "identity, chunked", "chunked ;", "\"chunked\"", "chunked,"])
    func obfuscation(value: String) {
        let stream = post("Transfer-Encoding: \(value)", body: "0\r\n\r\n\(Self.hidden)")
        #expect(read(stream) == .framing(.unsupportedTransferEncoding))
    }

    @Test("obfuscated with bytes that some parsers skip", arguments: ["\u{b}", "\u{c}", "\u{0}", "\u{8}", "\u{1f}"])
    func controlBytes(byte: String) {
        for value in ["\(byte)chunked", "chunked\(byte)"] {
            guard case .head(.controlCharacter) = read(post("Transfer-Encoding: \(value)", body: "")) else {
                Issue.record("accepted \(value.debugDescription)")
                continue
            }
        }
    }

    @Test("a request inside a body stays inside")
    func insideBody() {
        let length = Self.hidden.utf8.count
        #expect(read(post("Content-Length: \(length)", body: Self.hidden)) == .requests(["/"]))
        let chunk = "\(String(length, radix: 16))\r\n\(Self.hidden)\r\n0\r\n\r\n"
        #expect(read(post("Transfer-Encoding: chunked", body: chunk)) == .requests(["/"]))
        #expect(read(post("Content-Length: 0", body: Self.hidden)) == .requests(["/", "/admin"]))
        #expect(read(post("X: y", body: Self.hidden)) == .requests(["/", "/admin"]))
    }

    @Test("chunk lines that another parser ends early or late are rejected")
    func chunkLines() {
        let field = "Transfer-Encoding: chunked"
        #expect(read(post(field, body: "5;x\nhello\r\n0\r\n\r\n")) == .framing(.brokenChunkLine))
        #expect(read(post(field, body: "5\nhello\n0\n\n")) == .framing(.brokenChunkLine))
        #expect(read(post(field, body: "5\r\nhelloXX0\r\n\r\n")) == .framing(.brokenChunkEnd))
        #expect(read(post(field, body: "0x5\r\nhello\r\n0\r\n\r\n")) == .framing(.invalidChunkSize))
        #expect(read(post(field, body: "10000000000000000\r\n")) == .framing(.chunkTooLarge))
        #expect(read(post(field, body: "5 \r\nhello\r\n0\r\n\r\n")) == .framing(.invalidChunkSize))
        #expect(read(post(field, body: "5 5\r\nhello\r\n0\r\n\r\n")) == .framing(.invalidChunkSize))
        #expect(read(post(field, body: "5 ;x\nhello\r\n0\r\n\r\n")) == .framing(.brokenChunkLine))
        #expect(read(post(field, body: "0\r\nContent-Length: 5\r\n\r\n")) == .framing(.forbiddenTrailer))
        #expect(read(post(field, body: "0\r\nContent-Length : 5\r\n\r\n")) == .framing(.invalidTrailer))
        #expect(read(post(field, body: "0\r\n\(Self.hidden)")) == .framing(.invalidTrailer))
    }

    @Test("chunk lines that every parser must accept end at the right byte")
    func lenientChunkLines() {
        let field = "Transfer-Encoding: chunked"
        for line in ["5 ;x", "5; x=y", "05", "0000000000000000000005"] {
            let stream = post(field, body: "\(line)\r\nhello\r\n0\r\nX-Forwarded-For: 1\r\n\r\n") + Self.hidden
            #expect(read(stream) == .requests(["/", "/admin"]), "\(line)")
        }
        #expect(read(post("Content-Length: 0005", body: "hello" + Self.hidden)) == .requests(["/", "/admin"]))
    }

    @Test("a WebSocket handshake with a body is rejected before a tunnel opens")
    func fakeUpgrade() throws {
        let bytes = requestBytes(
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Content-Length: 33")
        #expect(throws: HeadError.upgradeWithBody) {
            try UpgradeIntent.of(requestHead(bytes), in: bytes.span)
        }
    }
}
