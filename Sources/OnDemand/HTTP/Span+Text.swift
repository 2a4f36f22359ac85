/// Comparisons of parts of a head without copying.
extension Span<UInt8> {
    /// Returns whether the range equals `text`, ignoring ASCII case.
    func equals(_ text: String, in range: ByteRange) -> Bool {
        agrees(with: text.utf8.span, in: range) { HTTPByte.lowercased($0) == HTTPByte.lowercased($1) }
    }

    /// Returns whether the range equals `name` where `_` reads as `-`.
    func resembles(_ name: String, in range: ByteRange) -> Bool { resembles(name.utf8.span, in: range) }

    func resembles(_ name: Span<UInt8>, in range: ByteRange) -> Bool {
        agrees(with: name, in: range) { HTTPByte.folded($0) == HTTPByte.folded($1) }
    }

    /// Returns whether the range begins with `prefix` where `_` reads as `-`.
    func beginsLike(_ prefix: [UInt8], in range: ByteRange) -> Bool {
        range.count >= prefix.count
            && resembles(prefix.span, in: ByteRange(range.lower, range.lower + prefix.count))
    }

    /// Returns whether the range equals `text` byte for byte.
    func isExactly(_ text: String, in range: ByteRange) -> Bool {
        agrees(with: text.utf8.span, in: range) { _, _ in false }
    }

    /// `areAlike` compares bytes that are not identical; most are.
    @inline(__always)
    private func agrees(with text: Span<UInt8>, in range: ByteRange, _ areAlike: (UInt8, UInt8) -> Bool) -> Bool {
        guard range.count == text.count else { return false }
        let piece = extracting(range.indices)
        for index in text.indices where piece[index] != text[index] {
            guard areAlike(piece[index], text[index]) else { return false }
        }
        return true
    }

    /// Returns whether two ranges are equal, ignoring ASCII case.
    func equals(_ one: ByteRange, _ other: ByteRange) -> Bool {
        guard one.count == other.count else { return false }
        for offset in 0..<one.count
        where HTTPByte.lowercased(self[one.lower + offset]) != HTTPByte.lowercased(self[other.lower + offset]) {
            return false
        }
        return true
    }

    /// Returns whether the range begins with `text`, ignoring ASCII case.
    func hasPrefix(_ text: String, in range: ByteRange) -> Bool {
        let count = text.utf8.count
        return range.count >= count && equals(text, in: ByteRange(range.lower, range.lower + count))
    }

    func firstIndex(of byte: UInt8, in range: ByteRange) -> Int? {
        for index in range.indices where self[index] == byte { return index }
        return nil
    }

    func lastIndex(of byte: UInt8, in range: ByteRange) -> Int? {
        for index in range.indices.reversed() where self[index] == byte { return index }
        return nil
    }

    /// Returns the range without surrounding whitespace (RFC 9110, 5.6.3).
    func trimmed(_ range: ByteRange) -> ByteRange {
        var lower = range.lower
        var upper = range.upper
        while lower < upper, HTTPByte.isWhitespace(self[lower]) { lower += 1 }
        while lower < upper, HTTPByte.isWhitespace(self[upper - 1]) { upper -= 1 }
        return ByteRange(lower, upper)
    }

    /// Returns a number's digits without leading zeros; the last digit stays.
    func withoutLeadingZeros(_ range: ByteRange) -> ByteRange {
        var lower = range.lower
        while lower + 1 < range.upper, self[lower] == UInt8(ascii: "0") { lower += 1 }
        return ByteRange(lower, range.upper)
    }

    /// Returns the elements of a comma-separated list; empty ones are skipped (RFC 9110, 5.6.1.2).
    @inline(__always)
    func forEachListElement(of range: ByteRange, _ body: (ByteRange) -> Void) {
        var lower = range.lower
        while lower <= range.upper {
            let upper = firstIndex(of: HTTPByte.comma, in: ByteRange(lower, range.upper)) ?? range.upper
            let element = trimmed(ByteRange(lower, upper))
            if !element.isEmpty { body(element) }
            lower = upper + 1
        }
    }
}

extension String {
    /// The range as text for logs and routes; invalid UTF-8 is repaired.
    init(_ bytes: Span<UInt8>, _ range: ByteRange) {
        do {
            self.init(copying: try UTF8Span(validating: bytes.extracting(range.indices)))
        } catch {
            self.init(decoding: range.indices.map { bytes[$0] }, as: UTF8.self)
        }
    }
}
