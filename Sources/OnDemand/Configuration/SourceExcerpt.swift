/// The line of a file that an error is about, with a mark under the place, the way compilers show it.
struct SourceExcerpt {
    /// A terminal's width, less what stands in front of the line.
    static let widthLimit = 100

    private let text: [UInt8]
    /// Where each line begins.
    private let lineStarts: [Int]
    private let paint: ANSIStyle

    init(_ text: [UInt8], paint: ANSIStyle = .plain) {
        self.text = text
        lineStarts = [0] + text.indices.lazy.filter { text[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        self.paint = paint
    }

    /// Two lines without a line end behind them; empty when the position lies behind the end of the file.
    func at(_ position: TextPosition) -> String {
        guard let line = line(position.line) else { return "" }
        let scalars = Array(String(decoding: line, as: UTF8.self).unicodeScalars)
        let place = min(position.column - 1, scalars.count)
        // Of a very long line, what stands around the place; three quarters of it before, where the reason often is.
        let start = max(0, min(place - Self.widthLimit * 3 / 4, scalars.count - Self.widthLimit))
        let shown = scalars[start..<min(scalars.count, start + Self.widthLimit)].map(Self.printable)
        let number = "\(position.line)"
        let margin = String(repeating: " ", count: number.utf8.count)
        let mark = String(repeating: " ", count: place - start) + paint(.red, "^")
        return "  \(number) | \(String(String.UnicodeScalarView(shown)))\n  \(margin) | \(mark)"
    }

    private func line(_ number: Int) -> ArraySlice<UInt8>? {
        guard lineStarts.indices.contains(number - 1) else { return nil }
        let line = text[lineStarts[number - 1]...].prefix { $0 != UInt8(ascii: "\n") }
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// One column each, so that the mark stands where it should; and nothing that a terminal would obey.
    private static func printable(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: scalar == "\t" ? " " : "\u{FFFD}"
        default: scalar
        }
    }
}
