/// The members of one JSON object, as written.
///
/// Sufficient for the messages of an Action Cable client. It finds where values begin and end, but accepts invalid
/// JSON: numbers and words are not checked, nor are brackets matched by kind. Of a repeated name it returns the first.
struct JSONObject {
    private var members: [(name: String, value: ArraySlice<UInt8>)] = []

    init?(_ text: [UInt8]) {
        var scanner = JSONScanner(text)
        guard scanner.skip("{") else { return nil }
        while !scanner.skip("}") {
            guard let token = scanner.value(), let name = Self.text(token), scanner.skip(":") else { return nil }
            guard let value = scanner.value() else { return nil }
            members.append((name, value))
            guard scanner.skip(",") || scanner.isAt("}") else { return nil }
        }
    }

    /// The value as written, with quotes and escapes, for use in another JSON text.
    func token(_ name: String) -> ArraySlice<UInt8>? { members.first { $0.name == name }?.value }

    /// The value of a string. nil: another type.
    func text(_ name: String) -> String? { token(name).flatMap(Self.text) }

    private static func text(_ token: ArraySlice<UInt8>) -> String? {
        guard token.count >= 2, token.first == UInt8(ascii: "\""), token.last == UInt8(ascii: "\"") else { return nil }
        var units: [UInt16] = []
        var rest = Array(String(decoding: token.dropFirst().dropLast(), as: UTF8.self).utf16)[...]
        while let unit = rest.popFirst() {
            guard unit == UInt16(UInt8(ascii: "\\")) else {
                units.append(unit)
                continue
            }
            guard let escaped = unescape(&rest) else { return nil }
            units.append(escaped)
        }
        return String(decoding: units, as: UTF16.self)
    }

    /// The character of an escape (RFC 8259, 7). Surrogate pairs are joined in UTF-16.
    private static func unescape(_ rest: inout ArraySlice<UInt16>) -> UInt16? {
        guard let letter = rest.popFirst().flatMap(Unicode.Scalar.init) else { return nil }
        switch letter {
        case "b": return 0x08
        case "f": return 0x0c
        case "n": return 0x0a
        case "r": return 0x0d
        case "t": return 0x09
        case "u":
            let digits = String(decoding: rest.prefix(4), as: UTF16.self)
            rest = rest.dropFirst(4)
            return digits.count == 4 ? UInt16(digits, radix: 16) : nil
        default: return UInt16(truncatingIfNeeded: letter.value)
        }
    }
}

/// Reads a JSON text value by value.
private struct JSONScanner {
    private var rest: ArraySlice<UInt8>

    init(_ text: [UInt8]) { rest = text[...] }

    /// Skips a mark if it comes next.
    mutating func skip(_ mark: Unicode.Scalar) -> Bool {
        guard isAt(mark) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func isAt(_ mark: Unicode.Scalar) -> Bool {
        rest = rest.drop { [0x20, 0x09, 0x0a, 0x0d].contains($0) }
        return rest.first == UInt8(ascii: mark)
    }

    /// Returns the next value: a string, a bracketed value or a word.
    mutating func value() -> ArraySlice<UInt8>? {
        if isAt("\"") { return string() }
        guard isAt("{") || isAt("[") else {
            let word = rest.prefix { !Array(" \t\r\n,:]}".utf8).contains($0) }
            rest = rest[word.endIndex...]
            return word.isEmpty ? nil : word
        }
        let start = rest.startIndex
        let whole = rest
        var depth = 0
        while let byte = rest.first {
            switch Unicode.Scalar(byte) {
            case "\"":
                guard string() != nil else { return nil }
                continue
            case "{", "[": depth += 1
            case "}", "]": depth -= 1
            default: break
            }
            rest = rest.dropFirst()
            if depth == 0 { return whole[start..<rest.startIndex] }
        }
        return nil
    }

    private mutating func string() -> ArraySlice<UInt8>? {
        let whole = rest
        rest = rest.dropFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") { rest = rest.dropFirst() }
            if byte == UInt8(ascii: "\"") { return whole[..<rest.startIndex] }
        }
        return nil
    }
}
