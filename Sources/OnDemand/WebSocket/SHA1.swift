/// SHA-1 (RFC 3174), which the WebSocket handshake asks for; it protects nothing here.
///
/// Takes its message piece by piece and allocates nothing: every tunnel begins with one.
package struct SHA1 {
    private var state = State()
    /// The block that is being filled.
    private var block = InlineArray<64, UInt8>(repeating: 0)
    private var count = 0

    package init() {}

    package static func digest(_ message: [UInt8]) -> [UInt8] {
        var hash = SHA1()
        hash.append(message.span)
        let digest = hash.finish()
        return digest.indices.map { digest[$0] }
    }

    package mutating func append(_ bytes: Span<UInt8>) {
        var place = count & 63
        for index in bytes.indices {
            block[place] = bytes[index]
            place += 1
            guard place == 64 else { continue }
            state.mix(block.span)
            place = 0
        }
        count += bytes.count
    }

    package consuming func finish() -> InlineArray<20, UInt8> {
        pad()
        return state.digest
    }

    /// Section 4: a one bit, zeros, and the length in bits as the last eight bytes of a block.
    private mutating func pad() {
        var place = count & 63
        block[place] = 0x80
        place += 1
        if place > 56 {
            for rest in place..<64 { block[rest] = 0 }
            state.mix(block.span)
            place = 0
        }
        for rest in place..<56 { block[rest] = 0 }
        let bitCount = UInt64(count) * 8
        for rest in 56..<64 { block[rest] = UInt8(truncatingIfNeeded: bitCount >> UInt64(8 * (63 - rest))) }
        state.mix(block.span)
    }

    /// The five words of section 6.1, under the letters the RFC gives them.
    private struct State {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xefcd_ab89
        var c: UInt32 = 0x98ba_dcfe
        var d: UInt32 = 0x1032_5476
        var e: UInt32 = 0xc3d2_e1f0

        /// The words in order, the highest byte of each first.
        var digest: InlineArray<20, UInt8> {
            let words: InlineArray<5, UInt32> = [a, b, c, d, e]
            return InlineArray { UInt8(truncatingIfNeeded: words[$0 / 4] >> (24 - 8 * UInt32($0 % 4))) }
        }

        mutating func mix(_ block: Span<UInt8>) {
            let schedule = Self.schedule(block)
            let words = schedule.span
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
        private static func schedule(_ block: Span<UInt8>) -> InlineArray<80, UInt32> {
            var schedule = InlineArray<80, UInt32>(repeating: 0)
            var words = schedule.mutableSpan
            for index in 0..<16 {
                let high = UInt32(block[4 * index]) << 24 | UInt32(block[4 * index + 1]) << 16
                words[index] = high | UInt32(block[4 * index + 2]) << 8 | UInt32(block[4 * index + 3])
            }
            for index in 16..<80 {
                let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                words[index] = rotateLeft(mixed, 1)
            }
            return schedule
        }
    }

    private static func rotateLeft(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word &<< count | word &>> (32 - count)
    }
}
