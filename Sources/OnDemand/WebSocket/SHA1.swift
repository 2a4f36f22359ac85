/// SHA-1 (RFC 3174), which the WebSocket handshake asks for; it protects nothing here.
package enum SHA1 {
    package static func digest(_ message: [UInt8]) -> [UInt8] {
        var state = State()
        let padded = pad(message)
        for block in stride(from: 0, to: padded.count, by: 64) { state.mix(padded[block..<block + 64]) }
        return [state.a, state.b, state.c, state.d, state.e].flatMap(bigEndian)
    }

    /// Section 4: a one bit, zeros, and the length in bits as the last eight bytes of a block.
    private static func pad(_ message: [UInt8]) -> [UInt8] {
        var padded = message
        padded.append(0x80)
        padded += [UInt8](repeating: 0, count: (64 + 56 - padded.count % 64) % 64)
        let bitCount = UInt64(message.count) * 8
        return padded + bigEndian(UInt32(bitCount >> 32)) + bigEndian(UInt32(truncatingIfNeeded: bitCount))
    }

    private static func bigEndian(_ word: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
    }

    /// The five words of section 6.1, under the letters the RFC gives them.
    private struct State {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xefcd_ab89
        var c: UInt32 = 0x98ba_dcfe
        var d: UInt32 = 0x1032_5476
        var e: UInt32 = 0xc3d2_e1f0

        mutating func mix(_ block: ArraySlice<UInt8>) {
            let schedule = Self.schedule(block)
            var next = self
            for (round, word) in schedule.enumerated() {
                let (function, constant) = next.roundFunction(round)
                let rotated = rotateLeft(next.a, 5) &+ function &+ next.e &+ word &+ constant
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

        private static func schedule(_ block: ArraySlice<UInt8>) -> [UInt32] {
            var words: [UInt32] = stride(from: block.startIndex, to: block.endIndex, by: 4).map { offset in
                block[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
            for index in 16..<80 {
                words.append(rotateLeft(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1))
            }
            return words
        }
    }

    private static func rotateLeft(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }
}
