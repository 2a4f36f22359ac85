import OnDemand

/// The reaction to a request, selected by the end of its path.
enum Answer {
    case response(Response)
    /// The same request again after a delay.
    case later(Duration)
    /// No response until the client closes.
    case silence
    /// Bytes that are not HTTP, then the connection closes.
    case noise(String)
    case upgrade(Upgrade)

    struct Upgrade {
        let response: Response
        let isCable: Bool
        /// Whether the first frames are in the same write as the 101.
        let framesComeEarly: Bool
    }

    init(to head: RequestHead, body: [UInt8], delayed: Bool) {
        let segments = head.segments
        switch segments.last {
        case "slow" where !delayed:
            self = .later(.milliseconds(UInt32(head.query("ms") ?? "") ?? 500))
        case "hang":
            self = .silence
        case "garbage":
            self = .noise("this is not HTTP\r\n\r\n")
        case let status? where segments.dropLast().last == "status" && Self.statuses.contains(Int(status) ?? 0):
            self = .response(Response(status: Int(status) ?? 0, body: Array("status \(status)\n".utf8)))
        default:
            self = head.asksForWebSocket ? Self.upgrade(head) : .response(Self.plain(head, body))
        }
    }

    private static let statuses = 200...599

    private static func plain(_ head: RequestHead, _ body: [UInt8]) -> Response {
        switch head.segments.last {
        case "head-dump":
            return Response(fields: ["Content-Type: application/octet-stream"], body: head.raw)
        case "chunked":
            return Response(fields: [text], body: description(head), framing: .chunked)
        case "close":
            return Response(fields: [text], body: description(head), framing: .untilClose)
        default:
            guard head.method == "POST" else { return Response(fields: [text], body: description(head)) }
            let type = head.values("content-type").first ?? "application/octet-stream"
            return Response(fields: ["Content-Type: \(type)"], body: body)
        }
    }

    private static let text = "Content-Type: text/plain; charset=utf-8"

    private static func description(_ head: RequestHead) -> [UInt8] {
        Array((["\(head.method) \(head.target) \(head.version)"] + head.fieldLines).map { $0 + "\n" }.joined().utf8)
    }

    /// Handshake of RFC 6455, 4.2.
    private static func upgrade(_ head: RequestHead) -> Answer {
        guard head.values("sec-websocket-version") == ["13"] else {
            return .response(Response(status: 426, fields: ["Sec-WebSocket-Version: 13"]))
        }
        guard let key = head.values("sec-websocket-key").first else { return .response(Response(status: 400)) }
        let accepted = head.segments.last == "wrong-accept" ? "wrong" + key : key
        var fields = [
            "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(Handshake.acceptValue(forKey: accepted))",
        ]
        if head.asksForCable { fields.append("Sec-WebSocket-Protocol: \(CableSession.subprotocol)") }
        return .upgrade(
            Upgrade(
                response: Response(status: 101, fields: fields), isCable: head.asksForCable,
                framesComeEarly: head.segments.last == "early-frames"))
    }
}
