/// The exchange of a readiness probe: a request to send, bytes received, a verdict.
///
/// Pure: it holds one head at a time and reads at most `Limits.probeAnswerBytes`.
///
/// - `http`: ready if the status is expected.
/// - `websocket`: ready after a 101 with the right `Sec-WebSocket-Accept`. The probe then sends a close frame.
/// - Interim responses are skipped. The end of the connection before a response is a failure.
struct ProbeConversation {
    enum Verdict: Equatable {
        case undecided
        /// Ready. `closeHandshake` is still to be sent.
        case ready(closeHandshake: [UInt8])
        /// Not ready, with a short reason.
        case notReady(String)
    }

    /// The request.
    let opening: [UInt8]
    private let expectation: Expectation
    private var answer: [UInt8] = []
    private var parser = ResponseHeadParser()
    private var received = 0

    private enum Expectation {
        case status(ReadinessCheck.ExpectedStatus)
        case webSocket(accept: String, mask: MaskingKey)
    }

    /// Returns nil if an accepted connection is proof enough. `dice` returns random bits for the handshake key.
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
            // The origin is the host's own, as in a browser. Action Cable rejects any other, and a missing one.
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

    // MARK: Response

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

    /// The backend closed the connection first.
    func ended() -> Verdict { .notReady("it closed the connection without an answer") }

    private mutating func nextHead() throws(HeadError) -> ResponseHead? {
        let unread = answer  // A second reference, not a copy: the parser changes while it reads the bytes.
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
