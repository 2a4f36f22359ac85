/// The output of a hash function or an HMAC, without an allocation: 20 to 64 bytes.
package struct Digest: Sendable {
    /// Only the first `count` bytes count.
    let storage: InlineArray<64, UInt8>
    package let count: Int

    init(_ storage: InlineArray<64, UInt8>, count: Int) {
        self.storage = storage
        self.count = count
    }

    package var bytes: [UInt8] { [UInt8](copying: storage.span.extracting(0..<count)) }

    /// In lower case.
    var hexadecimal: [UInt8] {
        bytes.flatMap { [HexDigit.digit(for: $0 >> 4), HexDigit.digit(for: $0 & 0xf)] }
    }

    /// Whether these bytes are the digest. The time depends on nothing but their number.
    func equals(_ offered: Span<UInt8>) -> Bool {
        ConstantTime.areEqual(offered, storage.span.extracting(0..<count))
    }

    /// Whether this text is the digest in lower-case hexadecimal. The time depends on nothing but its length.
    func equals(hexadecimal offered: Span<UInt8>) -> Bool {
        guard offered.count == 2 * count else { return false }
        var difference: UInt8 = 0
        for index in 0..<count {
            difference |= offered[2 * index] ^ HexDigit.digit(for: storage[index] >> 4)
            difference |= offered[2 * index + 1] ^ HexDigit.digit(for: storage[index] & 0xf)
        }
        return difference == 0
    }
}

extension Digest: Equatable {
    package static func == (left: Digest, right: Digest) -> Bool {
        left.equals(right.storage.span.extracting(0..<right.count))
    }
}

extension InlineArray<64, UInt8> {
    /// Writes a word of a digest, its highest byte first.
    mutating func put(_ word: UInt32, at index: Int) {
        self[4 * index] = UInt8(truncatingIfNeeded: word &>> 24)
        self[4 * index + 1] = UInt8(truncatingIfNeeded: word &>> 16)
        self[4 * index + 2] = UInt8(truncatingIfNeeded: word &>> 8)
        self[4 * index + 3] = UInt8(truncatingIfNeeded: word)
    }
}
