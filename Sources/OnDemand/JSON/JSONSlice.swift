/// One JSON value as a piece of its text: nothing is copied or converted, so numbers keep their digits.
struct JSONSlice: Hashable, Sendable {
    enum Kind: UInt8, Sendable { case object, array, string, number, boolean, null }

    let kind: Kind
    /// Only for strings: whether a backslash occurs, so that the content must be decoded before it is compared.
    let hasEscapes: Bool
    /// From the first byte to the last, quotes and brackets included.
    let range: ByteRange

    init(_ kind: Kind, _ range: ByteRange, hasEscapes: Bool = false) {
        self.kind = kind
        self.range = range
        self.hasEscapes = hasEscapes
    }
}

// MARK: - Strings

extension JSONSlice {
    /// The content of a string as UTF-8; nil for another kind of value, and for half of a surrogate pair, which no
    /// UTF-8 can represent (RFC 8259, 8.2).
    func string(in text: Span<UInt8>) -> [UInt8]? {
        guard kind == .string else { return nil }
        guard hasEscapes else { return [UInt8](copying: text.extracting(content)) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(content.count)
        let isWhole = decode(text) { byte in
            decoded.append(byte)
            return true
        }
        return isWhole ? decoded : nil
    }

    /// Whether this is a string with this content, however it is written; nothing is allocated.
    func isString(_ expected: [UInt8], in text: Span<UInt8>) -> Bool {
        guard kind == .string else { return false }
        if !hasEscapes {
            guard content.count == expected.count else { return false }
            for index in expected.indices where text[content.lowerBound + index] != expected[index] { return false }
            return true
        }
        // An escape is never shorter than the bytes it stands for, and at most six times as long.
        guard (expected.count...6 * expected.count).contains(content.count) else { return false }
        var agreed = 0
        let isWhole = decode(text) { byte in
            guard agreed < expected.count, byte == expected[agreed] else { return false }
            agreed += 1
            return true
        }
        return isWhole && agreed == expected.count
    }

    /// A number for the content of a string, the same however it is written; other contents nearly always have another
    /// one. It differs from process to process, so that no peer can choose contents with the same number.
    func digest(in text: Span<UInt8>) -> UInt32 {
        guard kind == .string else { return 0 }
        var hasher = Hasher()
        var (word, count) = (UInt64(0), 0)
        // Eight bytes at a time: each call of the hasher costs as much as they do.
        func take(_ byte: UInt8) {
            word = word << 8 | UInt64(byte)
            count += 1
            if count & 7 == 0 { hasher.combine(word) }
        }
        if hasEscapes {
            _ = decode(text) { byte in
                take(byte)
                return true
            }
        } else {
            for index in content { take(text[index]) }
        }
        hasher.combine(word)
        hasher.combine(count)
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    /// Between the quotes.
    private var content: Range<Int> { range.lower + 1..<range.upper - 1 }

    /// Hands out the bytes of a string that was scanned, so that every escape is complete, until `body` wants no more.
    /// Returns whether it is whole.
    private func decode(_ text: Span<UInt8>, _ body: (UInt8) -> Bool) -> Bool {
        var index = content.lowerBound
        while index < content.upperBound {
            let byte = text[index]
            guard byte == UInt8(ascii: "\\") else {
                guard body(byte) else { return false }
                index += 1
                continue
            }
            let escape = text[index + 1]
            guard escape == UInt8(ascii: "u") else {
                guard body(Self.meaning(of: escape)) else { return false }
                index += 2
                continue
            }
            guard let scalar = scalar(at: &index, in: text) else { return false }
            for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter where !body(unit) { return false }
        }
        return true
    }

    private static func meaning(of escape: UInt8) -> UInt8 {
        switch escape {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0c
        case UInt8(ascii: "n"): 0x0a
        case UInt8(ascii: "r"): 0x0d
        case UInt8(ascii: "t"): 0x09
        default: escape
        }
    }

    /// The scalar of one `\u` escape, or of two that are a surrogate pair; nil for half of one.
    private func scalar(at index: inout Int, in text: Span<UInt8>) -> Unicode.Scalar? {
        let first = codeUnit(at: index, in: text)
        index += 6
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, index + 6 <= content.upperBound, text[index] == UInt8(ascii: "\\"),
            text[index + 1] == UInt8(ascii: "u")
        else { return nil }
        let second = codeUnit(at: index, in: text)
        guard (0xdc00...0xdfff).contains(second) else { return nil }
        index += 6
        return Unicode.Scalar(0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00)))
    }

    private func codeUnit(at index: Int, in text: Span<UInt8>) -> UInt32 {
        (2..<6).reduce(0) { unit, place in unit << 4 | UInt32(HexDigit.value(of: text[index + place]) ?? 0) }
    }
}
