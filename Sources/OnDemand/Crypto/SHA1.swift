/// SHA-1 (RFC 3174): for the WebSocket handshake, where it protects nothing, and for the keys of older Rails
/// applications, in HMAC, where its weakness does not matter.
package struct SHA1Core: HashCore {
    package static let blockBytes = 64

    /// The five words of section 6.1, under the letters the RFC gives them.
    private var a: UInt32 = 0x6745_2301
    private var b: UInt32 = 0xefcd_ab89
    private var c: UInt32 = 0x98ba_dcfe
    private var d: UInt32 = 0x1032_5476
    private var e: UInt32 = 0xc3d2_e1f0

    package init() {}

    package var digest: Digest {
        let words: InlineArray<5, UInt32> = [a, b, c, d, e]
        var bytes = InlineArray<64, UInt8>(repeating: 0)
        for index in words.indices { bytes.put(words[index], at: index) }
        return Digest(bytes, count: 20)
    }

    package mutating func mix(_ bytes: Span<UInt8>, at offset: Int) {
        let schedule = Self.schedule(bytes, at: offset)
        let words = schedule.span
        var next = self
        // Section 5: f(t; B, C, D) and K(t). The first and the third are written with an operation less.
        for round in 0..<20 { next.turn(words[round], next.d ^ next.b & (next.c ^ next.d), 0x5a82_7999) }
        for round in 20..<40 { next.turn(words[round], next.b ^ next.c ^ next.d, 0x6ed9_eba1) }
        for round in 40..<60 {
            next.turn(words[round], next.b & next.c | next.d & (next.b | next.c), 0x8f1b_bcdc)
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
        let rotated = Self.rotateLeft(a, 5) &+ function &+ e &+ word &+ constant
        (e, d, c, b, a) = (d, c, Self.rotateLeft(b, 30), a, rotated)
    }

    /// Section 6.1, a and b.
    private static func schedule(_ bytes: Span<UInt8>, at offset: Int) -> InlineArray<80, UInt32> {
        var schedule = InlineArray<80, UInt32>(repeating: 0)
        var words = schedule.mutableSpan
        // Cut out once, so that where it ends is known: not every byte is checked for being inside.
        let block = bytes.extracting(offset..<offset + blockBytes)
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

    private static func rotateLeft(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word &<< count | word &>> (32 - count)
    }
}
