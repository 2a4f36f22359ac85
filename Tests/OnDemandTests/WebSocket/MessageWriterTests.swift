import Testing

@testable import OnDemand

struct MessageWriterTests {
    @Test("a message that is appended piece by piece is the frame of the whole text", arguments: [0, 125, 126, 65_536])
    func pieces(count: Int) {
        var frames: [UInt8] = []
        for _ in 0..<2 {
            MessageWriter.appendText(byteCount: count, to: &frames) { bytes in
                for _ in 0..<count { bytes.append(0x61) }
            }
        }
        let frame = FrameWriter.text(String(repeating: "a", count: count))
        #expect(frames == frame + frame)
    }

    @Test("the boundary is the end of the frame that contains an offset")
    func boundary() {
        let frames = FrameWriter.text("one") + FrameWriter.text(String(repeating: "x", count: 200)) + FrameWriter.ping()
        let ends = [5, 5 + 204, 5 + 204 + 2]
        for offset in 0...frames.count {
            let end = offset == 0 ? 0 : ends.first { $0 >= offset }
            #expect(MessageWriter.boundary(in: frames, atOrAfter: offset) == end)
        }
    }

    @Test("the response to an upgrade has the accept value, and a subprotocol only if one was chosen")
    func upgrade() {
        let key = "dGhlIHNhbXBsZSBub25jZQ=="
        let plain = String(decoding: UpgradeResponse.accepting(key: key), as: UTF8.self)
        #expect(plain.hasPrefix("HTTP/1.1 101 ") && plain.hasSuffix("\r\n\r\n"))
        #expect(plain.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        #expect(!plain.contains("Sec-WebSocket-Protocol"))
        let chosen = UpgradeResponse.accepting(key: key, subprotocol: "actioncable-v1-json")
        #expect(String(decoding: chosen, as: UTF8.self).contains("\r\nSec-WebSocket-Protocol: actioncable-v1-json\r\n"))
    }

    @Test("an impossible offset traps")
    func beyond() async {
        await #expect(processExitsWith: .failure) {
            _ = MessageWriter.boundary(in: FrameWriter.text("one"), atOrAfter: 6)
        }
    }
}
