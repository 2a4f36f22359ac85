/// Finished frames of the TurboCable protocol.
///
/// A stream's name is a JSON string as its client wrote it, quotes and escapes included. It is copied and never read.
enum TurboCableFrame {
    static let ping = FrameWriter.text("{\"type\":\"ping\"}")

    static func appendConfirmation(of stream: Span<UInt8>, to frames: inout [UInt8]) {
        MessageWriter.appendText(byteCount: subscribed.count + stream.count + 1, to: &frames) { frames in
            frames += subscribed
            frames.append(copying: stream)
            frames.append(UInt8(ascii: "}"))
        }
    }

    /// A message of a stream; `data` is a JSON text, and nil leaves the member out.
    static func append(_ data: [UInt8]?, stream: [UInt8], to frames: inout [UInt8]) {
        let count = message.count + stream.count + (data.map { member.count + $0.count } ?? 0) + 1
        MessageWriter.appendText(byteCount: count, to: &frames) { frames in
            frames += message
            frames += stream
            if let data {
                frames += member
                frames += data
            }
            frames.append(UInt8(ascii: "}"))
        }
    }

    private static let subscribed = Array("{\"type\":\"subscribed\",\"stream\":".utf8)
    private static let message = Array("{\"type\":\"message\",\"stream\":".utf8)
    private static let member = Array(",\"data\":".utf8)
}
