/// SHA-1 (RFC 3174), which the WebSocket handshake asks for; it protects nothing here.
package enum SHA1 {
    package static func digest(_ message: [UInt8]) -> [UInt8] {
        var state = State()
        let padded = pad(message)
        var words = [UInt32](repeating: 0, count: 80)
        for block in stride(from: 0, to: padded.count, by: 64) {
            state.mix(padded.span.extracting(block..<block + 64), &words)
        }
        var digest: [UInt8] = []
        digest.reserveCapacity(20)
        append(state.a, to: &digest)
        append(state.b, to: &digest)
        append(state.c, to: &digest)
        append(state.d, to: &digest)
        append(state.e, to: &digest)
        return digest
    }

    /// Section 4: a one bit, zeros, and the length in bits as the last eight bytes of a block.
    private static func pad(_ message: [UInt8]) -> [UInt8] {
        let zeros = (64 + 55 - message.count % 64) % 64
        var padded: [UInt8] = []
        padded.reserveCapacity(message.count + 1 + zeros + 8)
        padded += message
        padded.append(0x80)
        for _ in 0..<zeros { padded.append(0) }
        let bitCount = UInt64(message.count) * 8
        append(UInt32(bitCount >> 32), to: &padded)
        append(UInt32(truncatingIfNeeded: bitCount), to: &padded)
        return padded
    }

    /// The highest byte first.
    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: word >> 24))
        bytes.append(UInt8(truncatingIfNeeded: word >> 16))
        bytes.append(UInt8(truncatingIfNeeded: word >> 8))
        bytes.append(UInt8(truncatingIfNeeded: word))
    }

    /// The five words of section 6.1, under the letters the RFC gives them.
    private struct State {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xefcd_ab89
        var c: UInt32 = 0x98ba_dcfe
        var d: UInt32 = 0x1032_5476
        var e: UInt32 = 0xc3d2_e1f0

        /// `words` is room for the schedule of one block, used again for the next.
        mutating func mix(_ block: Span<UInt8>, _ words: inout [UInt32]) {
            Self.schedule(block, &words)
            var next = self
            // Section 5: f(t; B, C, D) and K(t).
            for round in 0..<20 { next.turn(words[round], next.b & next.c | ~next.b & next.d, 0x5a82_7999) }
            for round in 20..<40 { next.turn(words[round], next.b ^ next.c ^ next.d, 0x6ed9_eba1) }
            for round in 40..<60 {
                next.turn(words[round], next.b & next.c | next.b & next.d | next.c & next.d, 0x8f1b_bcdc)
            }
            for round in 60..<80 { next.turn(words[round], next.b ^ next.c ^ next.d, 0xca62_c1d6) }
            a &+= next.a
            b &+= next.b
            c &+= next.c
            d &+= next.d
            e &+= next.e
        }

        @inline(__always)
        private mutating func turn(_ word: UInt32, _ function: UInt32, _ constant: UInt32) {
            let rotated = rotateLeft(a, 5) &+ function &+ e &+ word &+ constant
            (e, d, c, b, a) = (d, c, rotateLeft(b, 30), a, rotated)
        }

        /// Section 6.1, a and b.
        private static func schedule(_ block: Span<UInt8>, _ words: inout [UInt32]) {
            for index in 0..<16 {
                let high = UInt32(block[4 * index]) << 24 | UInt32(block[4 * index + 1]) << 16
                words[index] = high | UInt32(block[4 * index + 2]) << 8 | UInt32(block[4 * index + 3])
            }
            for index in 16..<80 {
                let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                words[index] = rotateLeft(mixed, 1)
            }
        }
    }

    private static func rotateLeft(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word &<< count | word &>> (32 - count)
    }
}
