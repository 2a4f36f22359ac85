/// Shows text from outside inside a message: quoted, on one line, bounded, with nothing a terminal would obey.
extension String {
    /// Enough to recognise a value; a message must not repeat a whole file.
    private static let quotedScalarLimit = 60

    var quoted: String {
        var shown = "\""
        for scalar in unicodeScalars.prefix(Self.quotedScalarLimit) {
            switch scalar {
            case "\"", "\\": shown += "\\\(scalar)"
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            case "\r": shown += "\\r"
            case _ where Self.isInvisible(scalar): shown += "\\u{\(String(scalar.value, radix: 16))}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown + (unicodeScalars.count > Self.quotedScalarLimit ? "\"..." : "\"")
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
        default: false
        }
    }
}
