import Testing

@testable import OnDemand

private let key = MaskingKey(0x37, 0xfa, 0x21, 0x3d)

struct FrameWriterTests {
    @Test("frames are written as in the examples of RFC 6455, 5.7")
    func examplesOfTheStandard() {
        #expect(FrameWriter.text("Hello") == [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
        #expect(
            FrameWriter.text("Hello", key: key)
                == [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
        #expect(FrameWriter.frame(.text, Array("Hel".utf8), isFinal: false) == [0x01, 0x03, 0x48, 0x65, 0x6c])
        #expect(FrameWriter.frame(.continuation, Array("lo".utf8)) == [0x80, 0x02, 0x6c, 0x6f])
        #expect(FrameWriter.ping(Array("Hello".utf8)) == [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
        #expect(Array(FrameWriter.binary([UInt8](repeating: 0, count: 256)).prefix(4)) == [0x82, 0x7e, 0x01, 0x00])
        #expect(
            Array(FrameWriter.binary([UInt8](repeating: 0, count: 65536)).prefix(10))
                == [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0])
    }

    @Test(
        "written frames are parsed to the same content", arguments: [0, 1, 125, 126, 127, 65_535, 65_536, 70_000],
        [nil, key])
    func roundTrip(count: Int, key: MaskingKey?) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var reference = ReferenceDecoder(role: key == nil ? .fromServer : .fromClient)
        reference.decode(FrameWriter.binary(payload, key: key))
        #expect(reference.violation == nil)
        #expect(
            reference.frames == [.init(offset: 0, opcode: .binary, isFinal: true, payload: payload, isWhole: true)])
    }

    @Test("a close frame has its code and its reason")
    func close() {
        #expect(FrameWriter.close(.goingAway) == [0x88, 0x02, 0x03, 0xe9])
        #expect(FrameWriter.close(.messageTooBig, reason: "big") == [0x88, 0x05, 0x03, 0xf1, 0x62, 0x69, 0x67])
    }

    @Test("a long reason is truncated at a character boundary", arguments: ["a", "é", "€", "𝄞"])
    func longReason(character: String) throws {
        for padding in 0..<4 {
            let reason = String(repeating: "x", count: padding) + String(repeating: character, count: 130)
            let frame = FrameWriter.close(.normal, reason: reason)
            let kept = frame[4...]
            #expect(kept.count <= FrameWriter.longestCloseReason)
            #expect(kept.count > FrameWriter.longestCloseReason - character.utf8.count)
            let text = try #require(String(validating: kept, as: UTF8.self))
            #expect(reason.hasPrefix(text))
        }
    }

    @Test("reserved close codes cannot be sent")
    func forbiddenCode() async {
        await #expect(processExitsWith: .failure) { _ = FrameWriter.close(.noStatus) }
    }
}
