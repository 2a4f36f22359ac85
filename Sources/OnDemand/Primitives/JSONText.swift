/// Writes JSON strings (RFC 8259, 7) for the log and the status.
enum JSONText {
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.isControl: quoted += escaped(scalar)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// Appends UTF-8 as a JSON string with the mandatory escapes only.
    static func append(quoted content: Span<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for index in content.indices {
            let byte = content[index]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0..<0x20:
                output += [0x5c, 0x75, 0x30, 0x30]
                output.append(HexDigit.digit(for: byte >> 4))
                output.append(HexDigit.digit(for: byte & 0xf))
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    fileprivate static func escaped(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}

extension Unicode.Scalar {
    /// Whether this is a control character, including C1: U+009B starts a terminal command.
    fileprivate var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) }
}

extension String {
    /// The text with control characters escaped, except tabs; safe for a terminal.
    var withoutControls: String {
        guard unicodeScalars.contains(where: { $0.isControl && $0 != "\t" }) else { return self }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.isControl && scalar != "\t" {
                text += JSONText.escaped(scalar)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}
