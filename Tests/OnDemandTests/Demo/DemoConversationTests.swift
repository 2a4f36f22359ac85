import Foundation
import Testing

@testable import OnDemand

private let key = MaskingKey(0x37, 0xfa, 0x21, 0x3d)
private let admit = FrameWriter.text("{\"type\":\"welcome\"}")

struct DemoConversationTests {
    private static let upgrade = """
        GET / HTTP/1.1\r
        Host: 127.0.0.1:3000\r
        Connection: Upgrade\r
        Upgrade: websocket\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported\r
        \r

        """
    private static let agreement = """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        Sec-WebSocket-Protocol: actioncable-v1-json\r
        \r

        """

    private func opened() -> DemoConversation {
        var conversation = DemoConversation()
        _ = conversation.hear(Array(Self.upgrade.utf8))
        return conversation
    }

    @Test("an upgrade gets 101 and a welcome, and later messages are echoed, in any split")
    func everyCut() {
        let said = Array(Self.upgrade.utf8) + FrameWriter.text("Hello", key: key) + FrameWriter.ping([7], key: key)
        let answer = Array(Self.agreement.utf8) + admit + FrameWriter.text("Hello") + FrameWriter.pong([7])
        for size in 1...said.count {
            var conversation = DemoConversation()
            var heard: [UInt8] = []
            for begin in stride(from: 0, to: said.count, by: size) {
                heard += conversation.hear(Array(said[begin..<min(begin + size, said.count)]))
            }
            #expect(heard == answer, "in pieces of \(size)")
            #expect(conversation.phase == .webSocket)
        }
    }

    @Test("a fragmented message is echoed whole, after the pong for a ping between its fragments")
    func fragments() {
        var conversation = opened()
        #expect(conversation.hear(FrameWriter.frame(.binary, [1, 2], isFinal: false, key: key)) == [])
        #expect(conversation.hear(FrameWriter.ping(key: key)) == FrameWriter.pong())
        #expect(conversation.hear(FrameWriter.frame(.continuation, [3], key: key)) == FrameWriter.binary([1, 2, 3]))
        #expect(conversation.hear(FrameWriter.text("", key: key)) == FrameWriter.text(""))
    }

    @Test("a plain request gets a line of text and the end of the connection")
    func plainRequest() {
        var conversation = DemoConversation()
        let answer = String(decoding: conversation.hear(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nConnection: close\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nThe backend of ondemandd demo is awake.\n"))
        #expect(conversation.phase == .over)
        #expect(conversation.hear([1, 2, 3]) == [] && conversation.ping(at: 1) == [])
    }

    @Test("a browser gets the page of the cable, and HEAD its head only")
    func page() throws {
        let accept = "Host: a\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n"
        var (whole, head) = (DemoConversation(), DemoConversation())
        let answer = String(decoding: whole.hear(Array("GET / HTTP/1.1\r\n\(accept)".utf8)), as: UTF8.self)
        let end = try #require(answer.range(of: "\r\n\r\n")?.upperBound)
        let body = answer[end...]
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nConnection: close\r\n"))
        #expect(answer.contains("\r\nContent-Length: \(body.utf8.count)\r\n") && body.hasSuffix("</html>\n"))
        #expect(body.contains("\(DemoPage.cablePath)`") && body.contains("\"\(DemoPage.broadcastPath)\""))
        #expect(body.contains("stream: \"\(DemoPage.stream)\""))
        #expect(head.hear(Array("HEAD / HTTP/1.1\r\n\(accept)".utf8)) == Array(answer[..<end].utf8))
        #expect(whole.phase == .over && head.phase == .over)
    }

    @Test(
        "an invalid request is rejected, and so is a head without an end",
        arguments: [
            ("GET /\r\n\r\n", "400"), ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 20_000), "431"),
        ])
    func refusedHead(text: String, status: String) {
        var conversation = DemoConversation()
        let answer = String(decoding: conversation.hear(Array(text.utf8)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        #expect(conversation.phase == .over)
    }

    @Test("a close frame gets a close frame, and a violation gets its close code")
    func ends() {
        let tooLong = [UInt8](repeating: 0x61, count: Limits.demoMessageBytes + 1)
        for (frame, code) in [
            (FrameWriter.close(.goingAway, key: key), CloseCode.normal), (FrameWriter.text("a"), .protocolError),
            (FrameWriter.binary(tooLong, key: key), .messageTooBig),
            (FrameWriter.frame(.text, [0xff], key: key), .invalidPayload),
        ] {
            var conversation = opened()
            let answer = conversation.hear(frame)
            let number = [UInt8(code.number >> 8), UInt8(code.number & 0xff)]
            #expect(answer.first == 0x88 && Array(answer[2..<4]) == number)
            #expect(conversation.phase == .over)
        }
    }

    @Test("the longest allowed message is echoed")
    func longest() {
        let text = String(repeating: "a", count: Limits.demoMessageBytes)
        var conversation = opened()
        #expect(conversation.hear(FrameWriter.text(text, key: key)) == FrameWriter.text(text))
    }

    @Test("pings are sent as by Action Cable, and only to WebSockets")
    func ping() {
        #expect(opened().ping(at: 1_700_000_000) == FrameWriter.text("{\"type\":\"ping\",\"message\":1700000000}"))
        #expect(DemoConversation().ping(at: 1) == [])
    }
}
