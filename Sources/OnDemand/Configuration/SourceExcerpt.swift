/// The line of an error with a mark under its column, in the format of compilers.
struct SourceExcerpt {
    /// In columns: a terminal's width less the line's margin.
    static let widthLimit = 100

    private let text: [UInt8]
    /// Offset of each line.
    private let lineStarts: [Int]
    /// Scalars between the beginning of its line and each `stride`-th byte: a file may be one long line, and each of
    /// many errors is to cost the part of it that is shown.
    private let columns: [Int]
    private let paint: ANSIStyle

    private static let stride = 512

    init(_ text: [UInt8], paint: ANSIStyle = .plain) {
        self.text = text
        self.paint = paint
        var (lineStarts, columns, column) = ([0], [Int](), 0)
        for (index, byte) in text.enumerated() {
            if index % Self.stride == 0 { columns.append(column) }
            if byte == UInt8(ascii: "\n") {
                lineStarts.append(index + 1)
                column = 0
            } else if Self.beginsScalar(byte) {
                column += 1
            }
        }
        (self.lineStarts, self.columns) = (lineStarts, columns)
    }

    /// Returns two lines without a final line end; empty behind the end of the file.
    func at(_ position: TextPosition) -> String {
        guard let line = line(position.line) else { return "" }
        let count = column(of: line.upperBound, in: line)
        let place = min(position.column - 1, count)
        // Show part of a very long line; three quarters of it lie before the position, where the cause often is.
        let start = max(0, min(place - Self.widthLimit * 3 / 4, count - Self.widthLimit))
        let bytes = text[offset(of: start, in: line)..<offset(of: start + Self.widthLimit, in: line)]
        let shown = String(decoding: bytes, as: UTF8.self).unicodeScalars.map(Self.printable)
        let number = "\(position.line)"
        let margin = String(repeating: " ", count: number.utf8.count)
        let mark = String(repeating: " ", count: place - start) + paint(.red, "^")
        return "  \(number) | \(String(String.UnicodeScalarView(shown)))\n  \(margin) | \(mark)"
    }

    /// Without its end.
    private func line(_ number: Int) -> Range<Int>? {
        guard lineStarts.indices.contains(number - 1) else { return nil }
        let start = lineStarts[number - 1]
        let end = number < lineStarts.count ? lineStarts[number] - 1 : text.count
        return start..<(end > start && text[end - 1] == UInt8(ascii: "\r") ? end - 1 : end)
    }

    /// Continuation bytes (RFC 3629, 3) belong to the scalar before them, as in `TextPosition`.
    private static func beginsScalar(_ byte: UInt8) -> Bool { byte & 0b1100_0000 != 0b1000_0000 }

    /// Scalars of the line before an offset.
    private func column(of offset: Int, in line: Range<Int>) -> Int {
        let mark = offset / Self.stride
        let isOfLine = columns.indices.contains(mark) && mark * Self.stride >= line.lowerBound
        let (start, column) = isOfLine ? (mark * Self.stride, columns[mark]) : (line.lowerBound, 0)
        return column + text[start..<offset].lazy.filter(Self.beginsScalar).count
    }

    /// Where the scalar with this number begins; the end of the line where it has fewer.
    private func offset(of column: Int, in line: Range<Int>) -> Int {
        var (offset, passed) = (line.lowerBound, 0)
        // The last mark of the line that is not behind the column.
        let marks = (line.lowerBound + Self.stride - 1) / Self.stride..<columns.count
        var (low, high) = (
            marks.lowerBound, max(marks.lowerBound, min(columns.count, line.upperBound / Self.stride + 1))
        )
        while low < high {
            let middle = (low + high) / 2
            if columns[middle] <= column { low = middle + 1 } else { high = middle }
        }
        if low > marks.lowerBound { (offset, passed) = ((low - 1) * Self.stride, columns[low - 1]) }
        while offset < line.upperBound {
            if Self.beginsScalar(text[offset]) {
                if passed == column { return offset }
                passed += 1
            }
            offset += 1
        }
        return line.upperBound
    }

    /// Replaces each character by one of width one, so that the mark is aligned and no terminal command passes.
    private static func printable(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: scalar == "\t" ? " " : "\u{FFFD}"
        default: scalar
        }
    }
}
