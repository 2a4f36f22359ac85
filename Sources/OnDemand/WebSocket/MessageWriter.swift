/// Finished frames of a server's messages, made once and sent to any number of clients (RFC 6455, 5.2).
///
/// A message is appended to a buffer piece by piece, so that no payload is built first and copied then, and so that
/// several messages become one write.
package enum MessageWriter {
    /// Appends a text message in one frame. `fill` appends exactly `byteCount` bytes, which are UTF-8.
    package static func appendText(byteCount: Int, to frames: inout [UInt8], _ fill: (inout [UInt8]) -> Void) {
        // The first message gets exactly its room. For more the array grows by factors.
        if frames.isEmpty { frames.reserveCapacity(FrameWriter.longestHeader + byteCount) }
        FrameWriter.appendHeader(.text, payloadByteCount: byteCount, to: &frames)
        let begin = frames.count
        fill(&frames)
        precondition(frames.count - begin == byteCount, "a frame's payload is as long as its header says")
    }

    /// The position behind the frame that `offset` lies in; `offset` itself when it lies between two frames. `frames`
    /// holds whole server frames from `begin` on, and nothing else behind it.
    package static func boundary(in frames: [UInt8], from begin: Int = 0, atOrAfter offset: Int) -> Int {
        var end = begin
        while end < offset {
            guard let header = FrameHeader(frames.span, at: end) else {
                preconditionFailure("a buffer ends inside a frame")
            }
            end += header.byteCount + Int(header.payloadLength)
        }
        precondition(end <= frames.count, "a buffer ends inside a frame")
        return end
    }
}

/// The response that accepts a WebSocket (RFC 6455, 4.2.2).
package enum UpgradeResponse {
    /// `key` is the client's Sec-WebSocket-Key as it was sent; `subprotocol` one of those that it offered.
    package static func accepting(key: String, subprotocol: String? = nil) -> [UInt8] {
        var lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(Handshake.acceptValue(forKey: key))",
        ]
        if let subprotocol { lines.append("Sec-WebSocket-Protocol: \(subprotocol)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}
