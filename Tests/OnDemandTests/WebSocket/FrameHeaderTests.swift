import Testing

@testable import OnDemand

struct FrameHeaderTests {
    @Test("a header is parsed when it is complete, and not before")
    func incomplete() throws {
        let key = MaskingKey(1, 2, 3, 4)
        for (count, headerSize) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let frame = FrameWriter.binary([UInt8](repeating: 9, count: count), key: key)
            for size in 0..<headerSize { #expect(FrameHeader.read(frame[..<size]) == nil) }
            let header = try #require(FrameHeader.read(frame[..<headerSize]))
            #expect(header.byteCount == headerSize)
            #expect(header.payloadLength == UInt64(count))
            #expect(header.maskingKey == key)
        }
    }

    @Test("every bit of the first two bytes has its meaning")
    func bits() {
        for bits in UInt16.min...UInt16.max {
            let start = FrameStart(first: UInt8(bits >> 8), second: UInt8(bits & 0xff))
            #expect(start.isFinal == (bits & 0x8000 != 0))
            #expect(start.reservedBits == UInt8(bits >> 12 & 7))
            #expect(
                start.opcode?.rawValue ?? 0xff
                    == ([0, 1, 2, 8, 9, 10].contains(bits >> 8 & 15) ? UInt8(bits >> 8 & 15) : 0xff))
            #expect(start.isMasked == (bits & 0x80 != 0))
            #expect(start.shortLength == UInt8(bits & 0x7f))
        }
    }

    @Test("a header in the middle of a buffer is read from there")
    func offset() throws {
        let bytes = [0xff, 0xff, 0xff] + FrameWriter.text("hello")
        let header = try #require(FrameHeader.read(bytes, at: 3))
        #expect(header.start.opcode == .text && header.start.isFinal && header.payloadLength == 5)
    }
}
