/// A position in a text file; both numbers count from 1.
struct TextPosition: Hashable, Comparable, Sendable {
    /// Lines end in a line feed; a carriage return before it belongs to the line.
    var line = 1
    /// Counted in Unicode scalars, so that a name with an accent does not shift what follows it.
    var column = 1

    static func < (left: TextPosition, right: TextPosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    /// Steps over one byte of UTF-8; continuation bytes (RFC 3629, 3) belong to the scalar already counted.
    mutating func step(over byte: UInt8) {
        if byte == UInt8(ascii: "\n") {
            line += 1
            column = 1
        } else if byte & 0b1100_0000 != 0b1000_0000 {
            column += 1
        }
    }
}

extension TextPosition: CustomStringConvertible {
    var description: String { "line \(line), column \(column)" }
}
