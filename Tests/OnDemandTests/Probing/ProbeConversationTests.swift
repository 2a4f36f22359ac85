import Testing

@testable import OnDemand

struct ProbeConversationTests {
    private func http(_ status: ReadinessCheck.ExpectedStatus = .any, path: String = "/up") throws -> ProbeConversation
    {
        try #require(ProbeConversation(.http(path: path, status: status), host: "127.0.0.1:9", dice: { 7 }))
    }

    private func webSocket() throws -> ProbeConversation {
        try #require(ProbeConversation(.webSocket(path: "/cable"), host: "127.0.0.1:9", dice: { 7 }))
    }

    private func verdict(_ conversation: ProbeConversation, _ answer: String) -> ProbeConversation.Verdict {
        var conversation = conversation
        return conversation.hear(Array(answer.utf8)[...])
    }

    /// Parses the request with the daemon's own strict parser.
    private func head(of conversation: ProbeConversation) throws -> RequestHead {
        var parser = RequestHeadParser()
        let head = try parser.examine(conversation.opening.span)
        return try #require(head)
    }

    @Test("a tcp probe succeeds with the connection")
    func nothingToSay() {
        for check in [ReadinessCheck.tcp, .notify, .socket] {
            #expect(ProbeConversation(check, host: "a", dice: { 1 }) == nil)
        }
    }

    @Test("the request is a GET of the path, and its last on the connection")
    func request() throws {
        let conversation = try http(path: "/up?deep=1")
        let text = String(decoding: conversation.opening, as: UTF8.self)
        #expect(text.hasPrefix("GET /up?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n"))
        let head = try head(of: conversation)
        #expect(!head.wantsKeepAlive && head.byteCount == conversation.opening.count)
    }

    @Test(
        "trap S4: any status is accepted unless one is configured",
        arguments: [
            (200, ReadinessCheck.ExpectedStatus.any, true), (404, .any, true), (503, .any, true), (200, .success, true),
            (204, .success, true), (302, .success, false), (404, .success, false), (204, .exactly(204), true),
            (200, .exactly(204), false),
        ])
    func statuses(status: Int, expected: ReadinessCheck.ExpectedStatus, isReady: Bool) throws {
        let answer = "HTTP/1.1 \(status) Whatever\r\nContent-Length: 0\r\n\r\n"
        let wanted: ProbeConversation.Verdict =
            isReady ? .ready(closeHandshake: []) : .notReady("it answered \(status)")
        #expect(verdict(try http(expected), answer) == wanted)
    }

    @Test("the result is the same in any split of the response")
    func splits() throws {
        let answer = Array("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".utf8)
        for cut in 1..<answer.count {
            var conversation = try http(.success)
            #expect(conversation.hear(answer[..<cut]) == .undecided)
            #expect(conversation.hear(answer[cut...]) == .ready(closeHandshake: []))
        }
    }

    @Test("an invalid, short or endless response is not ready, and has a reason for the log")
    func nonsense() throws {
        #expect(verdict(try http(), "220 mail.example ESMTP\r\n\r\n") == .notReady("its answer is not HTTP"))
        #expect(try http().ended() == .notReady("it closed the connection without an answer"))
        var endless = try http()
        let hint = Array("HTTP/1.1 103 Early Hints\r\nX: \(String(repeating: "x", count: 900))\r\n\r\n".utf8)
        let verdicts = (0...Limits.probeAnswerBytes / hint.count).map { _ in endless.hear(hint[...]) }
        #expect(verdicts.last == .notReady("its answer has no end"))
        #expect(verdicts.dropLast().allSatisfy { $0 == .undecided })
    }

    @Test("a handshake is that of a browser with the same origin, with its own key")
    func handshake() throws {
        let head = try head(of: try webSocket())
        let bytes = try webSocket().opening
        let intent = try UpgradeIntent.of(head, in: bytes.span)
        #expect(intent == .webSocket)
        let origin = head.text(of: .origin, in: bytes.span)
        #expect(origin == "http://127.0.0.1:9")
        var dice = Seeded(seed: 1)
        let other = ProbeConversation(.webSocket(path: "/cable"), host: "127.0.0.1:9", dice: { dice.next() })
        #expect(other?.opening != bytes)
    }

    @Test("only a 101 with the accept value opens a WebSocket, which is then closed with a close frame")
    func switching() throws {
        let conversation = try webSocket()
        let (head, bytes) = (try head(of: conversation), conversation.opening)
        let found = head.text(of: .secWebSocketKey, in: bytes.span)
        let key = try #require(found)
        let answer = { (accept: String) in
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"
        }
        guard case .ready(let closeHandshake) = verdict(conversation, answer(Handshake.acceptValue(forKey: key))) else {
            return #expect(Bool(false), "a proper 101 is not enough")
        }
        #expect(
            closeHandshake.count == 8 && closeHandshake[0] == 0x88 && closeHandshake[1] == 0x82,
            "a masked close frame with a code")
        #expect((closeHandshake[6] ^ closeHandshake[2], closeHandshake[7] ^ closeHandshake[3]) == (0x03, 0xe8), "1000")
        let other = verdict(conversation, answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        #expect(other == .notReady("its 101 does not answer the key of the handshake"))
        let refusal = verdict(conversation, "HTTP/1.1 404 Not Found\r\n\r\n")
        #expect(refusal == .notReady("it answered 404 instead of 101"))
    }
}
