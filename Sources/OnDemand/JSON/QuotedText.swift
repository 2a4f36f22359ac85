/// Quotes untrusted text in messages: one line, limited length, no terminal controls.
extension String {
    /// Characters of quoted text: enough to recognise a value.
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
