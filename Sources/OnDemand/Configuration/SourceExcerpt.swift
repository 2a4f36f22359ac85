/// The line of an error with a mark under its column, in the format of compilers.
struct SourceExcerpt {
    /// In columns: a terminal's width less the line's margin.
    static let widthLimit = 100

    private let text: [UInt8]
    /// Offset of each line.
    private let lineStarts: [Int]
    private let paint: ANSIStyle

    init(_ text: [UInt8], paint: ANSIStyle = .plain) {
        self.text = text
        lineStarts = [0] + text.indices.lazy.filter { text[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        self.paint = paint
    }

    /// Returns two lines without a final line end; empty behind the end of the file.
    func at(_ position: TextPosition) -> String {
        guard let line = line(position.line) else { return "" }
        let scalars = Array(String(decoding: line, as: UTF8.self).unicodeScalars)
        let place = min(position.column - 1, scalars.count)
        // Show part of a very long line; three quarters of it lie before the position, where the cause often is.
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

    /// Replaces each character by one of width one, so that the mark is aligned and no terminal command passes.
    private static func printable(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: scalar == "\t" ? " " : "\u{FFFD}"
        default: scalar
        }
    }
}
