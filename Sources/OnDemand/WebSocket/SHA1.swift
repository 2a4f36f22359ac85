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
        for word in [state.a, state.b, state.c, state.d, state.e] { append(word, to: &digest) }
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
        for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
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
            for round in 0..<80 {
                let (function, constant) = next.roundFunction(round)
                let rotated = rotateLeft(next.a, 5) &+ function &+ next.e &+ words[round] &+ constant
                next.e = next.d
                next.d = next.c
                next.c = rotateLeft(next.b, 30)
                next.b = next.a
                next.a = rotated
            }
            a &+= next.a
            b &+= next.b
            c &+= next.c
            d &+= next.d
            e &+= next.e
        }

        /// Section 5: f(t; B, C, D) and K(t).
        private func roundFunction(_ round: Int) -> (UInt32, UInt32) {
            switch round {
            case ..<20: (b & c | ~b & d, 0x5a82_7999)
            case ..<40: (b ^ c ^ d, 0x6ed9_eba1)
            case ..<60: (b & c | b & d | c & d, 0x8f1b_bcdc)
            default: (b ^ c ^ d, 0xca62_c1d6)
            }
        }

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
        word << count | word >> (32 - count)
    }
}
