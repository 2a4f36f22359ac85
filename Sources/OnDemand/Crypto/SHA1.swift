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
        for round in stride(from: 0, to: 20, by: 5) { next.turn(words, round, 0x5a82_7999) { $2 ^ $0 & ($1 ^ $2) } }
        for round in stride(from: 20, to: 40, by: 5) { next.turn(words, round, 0x6ed9_eba1) { $0 ^ $1 ^ $2 } }
        for round in stride(from: 40, to: 60, by: 5) {
            next.turn(words, round, 0x8f1b_bcdc) { $0 & $1 | $2 & ($0 | $1) }
        }
        for round in stride(from: 60, to: 80, by: 5) { next.turn(words, round, 0xca62_c1d6) { $0 ^ $1 ^ $2 } }
        a &+= next.a
        b &+= next.b
        c &+= next.c
        d &+= next.d
        e &+= next.e
    }

    /// Five rounds from this one on: then every word is under its own letter again, and none was moved.
    @inline(__always)
    private mutating func turn(
        _ words: Span<UInt32>, _ round: Int, _ constant: UInt32, _ function: (UInt32, UInt32, UInt32) -> UInt32
    ) {
        Self.turn(a, &b, c, d, &e, words[round] &+ constant, function)
        Self.turn(e, &a, b, c, &d, words[round + 1] &+ constant, function)
        Self.turn(d, &e, a, b, &c, words[round + 2] &+ constant, function)
        Self.turn(c, &d, e, a, &b, words[round + 3] &+ constant, function)
        Self.turn(b, &c, d, e, &a, words[round + 4] &+ constant, function)
    }

    @inline(__always)
    private static func turn(
        _ a: UInt32, _ b: inout UInt32, _ c: UInt32, _ d: UInt32, _ e: inout UInt32, _ word: UInt32,
        _ function: (UInt32, UInt32, UInt32) -> UInt32
    ) {
        e &+= rotateLeft(a, 5) &+ function(b, c, d) &+ word
        b = rotateLeft(b, 30)
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
