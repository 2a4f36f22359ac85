@testable import OnDemand

/// The preferred format agrees with a slow parser of the Accept fields, in any number of fields.
enum AcceptProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let fields = input.split(separator: UInt8(ascii: "\n")).map { $0.filter(HTTPByte.isText) }
        let form = Self.form(of: fields)
        let reference = ReferenceAccept.form(of: fields)
        try promise(form == reference, "\(form) instead of \(reference): \(text(input))")
        let elements = fields.flatMap { ReferenceAccept.split($0, at: UInt8(ascii: ",")) }
        try promise(Self.form(of: elements) == form, "each range in a field of its own means something else")
    }

    static func form(of fields: [[UInt8]]) -> ResponseFormat {
        var reader = AcceptReader()
        for field in fields { reader.read(ByteRange(0, field.count), in: field.span) }
        return reader.preferred
    }
}

/// The same with lists of strings.
enum ReferenceAccept {
    private struct Element {
        let range: String
        let weight: Int
    }

    static func form(of fields: [[UInt8]]) -> ResponseFormat {
        let elements = fields.flatMap { split($0, at: UInt8(ascii: ",")) }.compactMap(element)
        let forms: [(ResponseFormat, [String])] = [
            (.text, ["text/plain", "text/*", "*/*"]), (.html, ["text/html", "text/*", "*/*"]),
            (.json, ["application/json", "application/*", "*/*"]),
        ]
        let wishes = forms.compactMap { form, ranges -> (form: ResponseFormat, weight: Int, place: Int)? in
            for range in ranges {
                guard let place = elements.firstIndex(where: { $0.range == range }) else { continue }
                return elements[place].weight > 0 ? (form, elements[place].weight, place) : nil
            }
            return nil
        }
        let heaviest = wishes.map(\.weight).max()
        return wishes.filter { $0.weight == heaviest }.enumerated()
            .min { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }?.element.form ?? .text
    }

    /// In quotes no separator applies, and a backslash escapes the next byte.
    static func split(_ bytes: [UInt8], at separator: UInt8) -> [[UInt8]] {
        var pieces: [[UInt8]] = [[]]
        var isQuoted = false
        var isHidden = false
        for byte in bytes {
            if byte == separator, !isQuoted {
                pieces.append([])
                continue
            }
            pieces[pieces.count - 1].append(byte)
            if isHidden {
                isHidden = false
            } else if byte == UInt8(ascii: "\\"), isQuoted {
                isHidden = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            }
        }
        return pieces
    }

    private static func element(_ bytes: [UInt8]) -> Element? {
        let parts = split(bytes, at: HTTPByte.semicolon).map(plain)
        guard let range = parts.first, !range.isEmpty else { return nil }
        guard let parameter = parts.dropFirst().first(where: { $0.hasPrefix("q=") }) else {
            return Element(range: range, weight: 1000)
        }
        return weight(String(parameter.dropFirst(2))).map { Element(range: range, weight: $0) }
    }

    /// Trimmed, in lower case, byte by byte: a byte outside ASCII matches no name.
    private static func plain(_ bytes: [UInt8]) -> String {
        var rest = bytes[...]
        while let first = rest.first, HTTPByte.isWhitespace(first) { rest.removeFirst() }
        while let last = rest.last, HTTPByte.isWhitespace(last) { rest.removeLast() }
        return String(String.UnicodeScalarView(rest.map { Unicode.Scalar(HTTPByte.lowercased($0)) }))
    }

    private static func weight(_ text: String) -> Int? {
        let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let digits = halves.count > 1 ? halves[1] : ""
        guard halves[0].unicodeScalars.count == 1, let whole = Int(halves[0]), digits.unicodeScalars.count <= 3,
            digits.unicodeScalars.allSatisfy({ ("0"..."9").contains($0) })
        else { return nil }
        let thousandths = whole * 1000 + (Int("\(digits)000".prefix(3)) ?? 0)
        return thousandths <= 1000 ? thousandths : nil
    }
}
