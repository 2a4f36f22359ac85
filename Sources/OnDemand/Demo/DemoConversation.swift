/// One client of the demo backend: a WebSocket gets a welcome message, then an echo of every message. Other requests
/// get a page or a line of text.
///
/// Pure: bytes in, bytes out. It holds at most one head or one message, within their limits.
struct DemoConversation {
    enum Phase { case head, webSocket, over }

    private(set) var phase = Phase.head
    private var parser = RequestHeadParser()
    private static let rules = MessageRules(role: .fromClient, maximumMessageBytes: Limits.demoMessageBytes)
    private var assembler = MessageAssembler()
    private var unread: [UInt8] = []

    /// Returns the bytes to send.
    mutating func hear(_ bytes: [UInt8]) -> [UInt8] {
        switch phase {
        case .over: return []
        case .webSocket: return hearFrames(bytes)
        case .head:
            unread += bytes
            return answerHead()
        }
    }

    /// A ping of Action Cable.
    func ping(at seconds: Int64) -> [UInt8] {
        phase == .webSocket ? FrameWriter.text("{\"type\":\"ping\",\"message\":\(seconds)}") : []
    }

    // MARK: The head

    private mutating func answerHead() -> [UInt8] {
        let bytes = unread  // A second reference, not a copy: the parser changes while it reads the bytes.
        do throws(HeadError) {
            guard let head = try parser.examine(bytes.span) else { return [] }
            guard try UpgradeIntent.of(head, in: bytes.span) == .webSocket else {
                phase = .over
                return Self.response(to: head, in: bytes.span)
            }
            phase = .webSocket
            unread = []
            let key = head.text(of: .secWebSocketKey, in: bytes.span) ?? ""
            // A browser that offers subprotocols closes the connection unless one is selected.
            let chosen = head.elements(of: .secWebSocketProtocol, in: bytes.span).first
            return UpgradeResponse.accepting(key: key, subprotocol: chosen.map { String(bytes.span, $0) })
                + FrameWriter.text("{\"type\":\"welcome\"}") + hearFrames(Array(bytes[head.byteCount...]))
        } catch {
            phase = .over
            return LocalReply(refusing: error).rendered(keepAlive: false, headOnly: false)
        }
    }

    /// The page of the cable for browsers, a line of text for other clients.
    private static func response(to head: RequestHead, in bytes: Span<UInt8>) -> [UInt8] {
        var reader = AcceptReader()
        for value in head.values(of: .accept) { reader.read(value, in: bytes) }
        if reader.preferred == .html { return DemoPage.response(headOnly: head.isHead) }
        let text = LocalReply(status: 200, body: "The backend of ondemandd demo is awake.")
        return text.rendered(keepAlive: false, headOnly: head.isHead)
    }

    // MARK: Frames

    private mutating func hearFrames(_ bytes: [UInt8]) -> [UInt8] {
        var buffer = bytes
        var rest = buffer.indices
        var answer: [UInt8] = []
        do throws(MessageViolation) {
            while let message = try assembler.next(in: &buffer, &rest, Self.rules) {
                answer += self.answer(to: message, in: buffer)
            }
        } catch {
            phase = .over
            answer += FrameWriter.close(error.closeCode, reason: error.reason)
        }
        return answer
    }

    private mutating func answer(to message: IncomingMessage, in buffer: [UInt8]) -> [UInt8] {
        switch message {
        case .text(let content): return FrameWriter.frame(.text, content.bytes(in: buffer))
        case .binary(let content): return FrameWriter.frame(.binary, content.bytes(in: buffer))
        case .ping(let payload): return FrameWriter.pong(payload)
        case .pong: return []
        case .close:
            phase = .over
            return FrameWriter.close(.normal)
        }
    }
}
