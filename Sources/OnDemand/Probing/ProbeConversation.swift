/// What a probe says to a backend that accepts, and what it makes of the answer.
///
/// Pure: bytes come in, a verdict comes out. It holds one head at a time, and reads no more than a bounded answer.
struct ProbeConversation {
    enum Verdict: Equatable {
        case undecided
        /// It serves; `closeHandshake` is still to be said.
        case ready(closeHandshake: [UInt8])
        /// Not yet, and in a few words why.
        case notReady(String)
    }

    /// What is said first.
    let opening: [UInt8]
    private let expectation: Expectation
    private var answer: [UInt8] = []
    private var parser = ResponseHeadParser()
    private var received = 0

    private enum Expectation {
        case status(ReadinessCheck.ExpectedStatus)
        case webSocket(accept: String, mask: MaskingKey)
    }

    /// nil where being accepted says it all. `dice` make the key of a handshake, which nobody is to guess.
    init?(_ check: ReadinessCheck, host: String, dice: () -> UInt64) {
        switch check {
        case .tcp, .notify, .socket: return nil
        case .http(let path, let status):
            expectation = .status(status)
            opening = Self.request(path, host, fields: ["Connection: close"])
        case .webSocket(let path):
            let key = String(decoding: Base64.encode(Self.bytes(dice()) + Self.bytes(dice())), as: UTF8.self)
            let mask = Self.bytes(dice())
            expectation = .webSocket(
                accept: Handshake.acceptValue(forKey: key), mask: MaskingKey(mask[0], mask[1], mask[2], mask[3]))
            // The origin is the host's own, as a browser's would be: Action Cable refuses any other, and none at all.
            opening = Self.request(
                path, host,
                fields: [
                    "Upgrade: websocket", "Connection: Upgrade", "Origin: http://\(host)", "Sec-WebSocket-Key: \(key)",
                    "Sec-WebSocket-Version: 13",
                ])
        }
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> UInt64($0)) }
    }

    private static func request(_ path: String, _ host: String, fields: [String]) -> [UInt8] {
        let lines = ["GET \(path) HTTP/1.1", "Host: \(host)", "User-Agent: ondemandd"] + fields
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    // MARK: The answer

    mutating func hear(_ bytes: ArraySlice<UInt8>) -> Verdict {
        received += bytes.count
        answer += bytes
        do {
            while let head = try nextHead() {
                guard head.isInterim else { return judge(head) }
                answer.removeFirst(head.byteCount)
                parser = ResponseHeadParser()
            }
        } catch {
            return .notReady("its answer is not HTTP")
        }
        return received < Limits.probeAnswerBytes ? .undecided : .notReady("its answer has no end")
    }

    /// The backend ended or broke the connection first.
    func ended() -> Verdict { .notReady("it closed the connection without an answer") }

    private mutating func nextHead() throws(HeadError) -> ResponseHead? {
        let unread = answer  // A second reference, not a copy: the parser changes while it looks at the bytes.
        return try parser.examine(unread.span)
    }

    private func judge(_ head: ResponseHead) -> Verdict {
        switch expectation {
        case .status(let expected):
            return expected.accepts(head.status) ? .ready(closeHandshake: []) : .notReady("it answered \(head.status)")
        case .webSocket(let accept, let mask):
            guard head.status == 101 else { return .notReady("it answered \(head.status) instead of 101") }
            let accepted = head.text(of: .secWebSocketAccept, in: answer.span)
            guard UpgradeIntent.isSwitchToWebSocket(head, in: answer.span), accepted == accept else {
                return .notReady("its 101 does not answer the key of the handshake")
            }
            return .ready(closeHandshake: FrameWriter.close(.normal, key: mask))
        }
    }
}
