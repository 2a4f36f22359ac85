/// An HTTP response and its framing.
struct Response {
    enum Framing { case length, chunked, untilClose }

    var status = 200
    var fields: [String] = []
    var body: [UInt8] = []
    var framing = Framing.length

    /// Returns the bytes to send. `closes` becomes true if the connection must end after them.
    func rendered(for head: RequestHead, closes: inout Bool) -> [UInt8] {
        closes = closes || !head.keepsAlive || framing == .untilClose
        var lines = ["HTTP/1.1 \(status) \(Self.reason(status))"] + fields
        let hasBody = !((100..<200).contains(status) || status == 204 || status == 304)
        switch framing {
        case .length where hasBody: lines.append("Content-Length: \(body.count)")
        case .chunked where hasBody: lines.append("Transfer-Encoding: chunked")
        default: break
        }
        if closes {
            lines.append("Connection: close")
        } else if head.version == "HTTP/1.0" {
            lines.append("Connection: keep-alive")
        }
        let text = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        guard hasBody, head.method != "HEAD" else { return text }
        return text + (framing == .chunked ? chunks : body)
    }

    /// Small chunks, so that a short body has several (RFC 9112, 7.1).
    private var chunks: [UInt8] {
        let size = 10
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: body.count, by: size) {
            let chunk = body[start..<min(start + size, body.count)]
            bytes += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + Array("\r\n".utf8)
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 101: "Switching Protocols"
        case 200: "OK"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 426: "Upgrade Required"
        case 431: "Request Header Fields Too Large"
        default: "Status"
        }
    }
}
