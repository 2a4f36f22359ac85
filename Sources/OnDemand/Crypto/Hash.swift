/// The part in which the hash functions of FIPS 180-4 differ: their state, and how it takes in one block.
package protocol HashCore: Sendable {
    /// 64 or 128.
    static var blockBytes: Int { get }
    init()
    /// Takes in the block that begins at `offset`.
    mutating func mix(_ bytes: Span<UInt8>, at offset: Int)
    var digest: Digest { get }
}

package typealias SHA1 = Hash<SHA1Core>
package typealias SHA256 = Hash<SHA256Core>
package typealias SHA384 = Hash<SHA384Core>
package typealias SHA512 = Hash<SHA512Core>

/// A hash function that takes its message in pieces and allocates nothing.
package struct Hash<Core: HashCore>: Sendable {
    private var core = Core()
    /// The block that is being filled; only the first `blockBytes` are used.
    private var block = InlineArray<128, UInt8>(repeating: 0)
    /// Of the message so far, in bytes.
    private var count = 0

    package init() {}

    package static func digest(_ message: [UInt8]) -> Digest {
        var hash = Hash()
        hash.append(message.span)
        return hash.finish()
    }

    package mutating func append(_ bytes: Span<UInt8>) {
        var place = count & (Core.blockBytes - 1)
        var index = 0
        count += bytes.count
        if place > 0 {
            while place < Core.blockBytes, index < bytes.count {
                block[place] = bytes[index]
                place += 1
                index += 1
            }
            guard place == Core.blockBytes else { return }
            core.mix(block.span, at: 0)
        }
        while bytes.count - index >= Core.blockBytes {
            core.mix(bytes, at: index)
            index += Core.blockBytes
        }
        place = 0
        while index < bytes.count {
            block[place] = bytes[index]
            place += 1
            index += 1
        }
    }

    package consuming func finish() -> Digest {
        pad()
        return core.digest
    }

    /// FIPS 180-4, 5.1: a one bit, zeros, and the length in bits at the end of a block: in 8 bytes, or in 16 where a
    /// block has 128.
    private mutating func pad() {
        let lengthPlace = Core.blockBytes - Core.blockBytes / 8
        var place = count & (Core.blockBytes - 1)
        block[place] = 0x80
        place += 1
        if place > lengthPlace {
            for rest in place..<Core.blockBytes { block[rest] = 0 }
            core.mix(block.span, at: 0)
            place = 0
        }
        // A message is shorter than 2^61 bytes, so the upper half of 16 bytes is zero.
        for rest in place..<Core.blockBytes - 8 { block[rest] = 0 }
        let bitCount = UInt64(count) * 8
        for byte in 0..<8 {
            block[Core.blockBytes - 8 + byte] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * byte))
        }
        core.mix(block.span, at: 0)
    }
}
