/// One client of the demonstration's backend: it is welcomed, and what it says is said back to it.
///
/// Pure: bytes come in, bytes go out. It holds no more than one head or one message, within their limits.
struct DemoConversation {
    enum Phase { case head, webSocket, over }

    private(set) var phase = Phase.head
    private var parser = RequestHeadParser()
    private var tracker = FrameTracker(role: .fromClient, maximumMessageBytes: UInt64(Limits.demoMessageBytes))
    private var unread: [UInt8] = []
    private var message: [UInt8] = []
    private var messageKind = FrameOpcode.text

    /// What to answer.
    mutating func hear(_ bytes: [UInt8]) -> [UInt8] {
        switch phase {
        case .over: return []
        case .webSocket: return hearFrames(bytes)
        case .head:
            unread += bytes
            return answerHead()
        }
    }

    /// What Action Cable says now and then.
    func ping(at seconds: Int64) -> [UInt8] {
        phase == .webSocket ? FrameWriter.text("{\"type\":\"ping\",\"message\":\(seconds)}") : []
    }

    // MARK: The head

    private mutating func answerHead() -> [UInt8] {
        let bytes = unread  // A second reference, not a copy: the parser changes while it looks at the bytes.
        do throws(HeadError) {
            guard let head = try parser.examine(bytes.span) else { return [] }
            guard try UpgradeIntent.of(head, in: bytes.span) == .webSocket else {
                phase = .over
                let text = CannedResponse(status: 200, body: "The backend of ondemandd demo is awake.")
                return text.rendered(keepAlive: false, headOnly: head.isHead)
            }
            phase = .webSocket
            unread = []
            return Self.agreement(to: head, in: bytes.span) + FrameWriter.text("{\"type\":\"welcome\"}")
                + hearFrames(Array(bytes[head.byteCount...]))
        } catch {
            phase = .over
            return CannedResponse(refusing: error).rendered(keepAlive: false, headOnly: false)
        }
    }

    /// A browser that offers protocols ends the connection unless one of them is chosen.
    private static func agreement(to head: RequestHead, in bytes: Span<UInt8>) -> [UInt8] {
        let key = head.text(of: .secWebSocketKey, in: bytes) ?? ""
        var lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(Handshake.acceptValue(forKey: key))",
        ]
        if let chosen = head.elements(of: .secWebSocketProtocol, in: bytes).first {
            lines.append("Sec-WebSocket-Protocol: \(String(bytes, chosen))")
        }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    // MARK: Frames

    private mutating func hearFrames(_ bytes: [UInt8]) -> [UInt8] {
        do throws(FrameError) {
            _ = try tracker.advance(bytes.span)
        } catch {
            phase = .over
            return FrameWriter.close(error.closeCode, reason: error.reason)
        }
        unread += bytes
        var answer: [UInt8] = []
        var position = 0
        while phase == .webSocket, let header = FrameHeader(unread.span, at: position) {
            let begin = position + header.byteCount
            // The tracker has let no longer one through than a message may be, and none without a key.
            guard let key = header.maskingKey, unread.count - begin >= Int(header.payloadLength) else { break }
            position = begin + Int(header.payloadLength)
            let payload = unread[begin..<position].enumerated().map { $0.element ^ key[$0.offset] }
            answer += self.answer(to: header.start, payload)
        }
        unread.removeFirst(position)
        return answer
    }

    private mutating func answer(to frame: FrameStart, _ payload: [UInt8]) -> [UInt8] {
        switch frame.opcode {
        case .ping: return FrameWriter.pong(payload)
        case .pong, nil: return []
        case .close:
            phase = .over
            return FrameWriter.close(.normal)
        case .text?, .binary?, .continuation?:
            if let kind = frame.opcode, kind != .continuation { messageKind = kind }
            message += payload
            guard frame.isFinal else { return [] }
            defer { message = [] }
            guard messageKind == .binary || String(validating: message, as: UTF8.self) != nil else {
                phase = .over
                return FrameWriter.close(.invalidPayload, reason: "A text message must be UTF-8.")
            }
            return FrameWriter.frame(messageKind, message)
        }
    }
}
