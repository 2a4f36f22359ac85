/// Questions about pieces of a head, asked without copying them.
extension Span<UInt8> {
    /// Whether the piece reads `text`, ASCII case ignored.
    func equals(_ text: String, in range: ByteRange) -> Bool {
        guard range.count == text.utf8.count else { return false }
        var index = range.lower
        for byte in text.utf8 {
            guard HTTPByte.lowercased(self[index]) == HTTPByte.lowercased(byte) else { return false }
            index += 1
        }
        return true
    }

    /// Whether the piece reads `name` to somebody who does not tell `_` from `-`.
    func resembles(_ name: String, in range: ByteRange) -> Bool {
        guard range.count == name.utf8.count else { return false }
        var index = range.lower
        for byte in name.utf8 {
            guard HTTPByte.folded(self[index]) == HTTPByte.folded(byte) else { return false }
            index += 1
        }
        return true
    }

    /// Whether two pieces read the same, ASCII case ignored.
    func equals(_ one: ByteRange, _ other: ByteRange) -> Bool {
        guard one.count == other.count else { return false }
        for offset in 0..<one.count
        where HTTPByte.lowercased(self[one.lower + offset]) != HTTPByte.lowercased(self[other.lower + offset]) {
            return false
        }
        return true
    }

    /// Whether the piece begins with `text`, ASCII case ignored.
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

    /// The piece without optional whitespace around it (RFC 9110, 5.6.3).
    func trimmed(_ range: ByteRange) -> ByteRange {
        var lower = range.lower
        var upper = range.upper
        while lower < upper, HTTPByte.isWhitespace(self[lower]) { lower += 1 }
        while lower < upper, HTTPByte.isWhitespace(self[upper - 1]) { upper -= 1 }
        return ByteRange(lower, upper)
    }

    /// The elements of a comma-separated list of tokens; empty ones do not count (RFC 9110, 5.6.1.2).
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
    /// A piece of a buffer as text, for logs and routes; bytes that are not UTF-8 are repaired.
    init(_ bytes: Span<UInt8>, _ range: ByteRange) {
        do {
            self.init(copying: try UTF8Span(validating: bytes.extracting(range.indices)))
        } catch {
            self.init(decoding: range.indices.map { bytes[$0] }, as: UTF8.self)
        }
    }
}
