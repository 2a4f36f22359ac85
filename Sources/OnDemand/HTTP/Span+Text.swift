/// Questions about pieces of a head, asked without copying them.
extension Span<UInt8> {
    /// Whether the piece reads `text`, ASCII case ignored.
    func equals(_ text: String, in range: ByteRange) -> Bool {
        let wanted = text.utf8.span
        guard range.count == wanted.count else { return false }
        for offset in wanted.indices
        where HTTPByte.lowercased(self[range.lower + offset]) != HTTPByte.lowercased(wanted[offset]) {
            return false
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
    func listElements(of range: ByteRange) -> [ByteRange] {
        var elements: [ByteRange] = []
        var lower = range.lower
        while lower <= range.upper {
            let upper = firstIndex(of: HTTPByte.comma, in: ByteRange(lower, range.upper)) ?? range.upper
            let element = trimmed(ByteRange(lower, upper))
            if !element.isEmpty { elements.append(element) }
            lower = upper + 1
        }
        return elements
    }
}

extension String {
    /// A piece of a buffer as text, for logs and routes; bytes that are not UTF-8 are repaired.
    init(_ bytes: Span<UInt8>, _ range: ByteRange) {
        do {
            self.init(copying: try UTF8Span(validating: bytes.extracting(range.indices)))
        } catch {
            var copy: [UInt8] = []
            copy.append(from: bytes, range)
            self.init(decoding: copy, as: UTF8.self)
        }
    }
}

extension [UInt8] {
    /// Copies a piece of another buffer to the end of this one.
    mutating func append(from bytes: Span<UInt8>, _ range: ByteRange) {
        append(addingCapacity: range.count) { output in
            for index in range.indices { output.append(bytes[index]) }
        }
    }
}
