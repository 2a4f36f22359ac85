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
        accepting(key: Array(key.utf8), subprotocol: subprotocol)
    }

    /// The same for a key in bytes.
    static func accepting(key: [UInt8], subprotocol: String?) -> [UInt8] {
        var response: [UInt8] = []
        response.reserveCapacity(begin.count + (subprotocol?.utf8.count ?? 0) + extraBytes)
        response += begin
        response += Handshake.acceptValue(forKey: key)
        if let subprotocol {
            response += subprotocolField
            response += subprotocol.utf8
        }
        response += end
        return response
    }

    private static let begin = Array(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ".utf8)
    private static let subprotocolField = Array("\r\nSec-WebSocket-Protocol: ".utf8)
    private static let end = Array("\r\n\r\n".utf8)
    /// Room for the accept value, the second field, and the first frame behind the response.
    private static let extraBytes = 192
}
