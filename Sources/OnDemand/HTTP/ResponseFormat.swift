/// The format of a local reply.
enum ResponseFormat: CaseIterable {
    /// One line; the default.
    case text
    /// A short page.
    case html
    case json

    /// The matching media ranges, from the least specific on.
    fileprivate var ranges: [String] {
        switch self {
        case .text: ["*/*", "text/*", "text/plain"]
        case .html: ["*/*", "text/*", "text/html"]
        case .json: ["*/*", "application/*", "application/json"]
        }
    }
}

/// Selects the format by the Accept fields of a request (RFC 9110, 12.5.1): the highest weight, among equals the first
/// one. Invalid elements are ignored, and without a match the format is text.
struct AcceptReader {
    private var text = Wish()
    private var html = Wish()
    private var json = Wish()
    private var rangeCount = 0

    /// The most specific range so far for one format.
    private struct Wish {
        /// Index of that range in `ranges`, plus one.
        var closeness = 0
        /// In thousandths.
        var weight = 0
        var position = 0

        mutating func hear(
            _ range: ByteRange, of bytes: Span<UInt8>, for form: ResponseFormat, weight: Int, position: Int
        ) {
            for (vaguer, name) in form.ranges.enumerated() where vaguer >= closeness {
                guard bytes.equals(name, in: range) else { continue }
                self = Wish(closeness: vaguer + 1, weight: weight, position: position)
            }
        }
    }

    var preferred: ResponseFormat {
        var best = (form: ResponseFormat.text, wish: Wish())
        for (form, wish) in [(ResponseFormat.text, text), (.html, html), (.json, json)] where wish.weight > 0 {
            let isFirst = best.wish.weight == 0
            let isBetter = wish.weight > best.wish.weight
            let isNamedEarlier = wish.weight == best.wish.weight && wish.position < best.wish.position
            if isFirst || isBetter || isNamedEarlier { best = (form, wish) }
        }
        return best.form
    }

    /// Reads one field's value; several fields form one list.
    mutating func read(_ value: ByteRange, in bytes: Span<UInt8>) {
        var lower = value.lower
        while lower <= value.upper {
            let upper = bytes.next(HTTPByte.comma, in: ByteRange(lower, value.upper))
            readElement(ByteRange(lower, upper), in: bytes)
            lower = upper + 1
        }
    }

    /// Reads an element such as `text/html;level=1;q=0.5`. Parameters other than the weight are ignored.
    private mutating func readElement(_ element: ByteRange, in bytes: Span<UInt8>) {
        let end = bytes.next(HTTPByte.semicolon, in: element)
        let range = bytes.trimmed(ByteRange(element.lower, end))
        guard !range.isEmpty, let weight = Self.weight(in: ByteRange(end, element.upper), of: bytes) else { return }
        rangeCount += 1
        text.hear(range, of: bytes, for: .text, weight: weight, position: rangeCount)
        html.hear(range, of: bytes, for: .html, weight: weight, position: rangeCount)
        json.hear(range, of: bytes, for: .json, weight: weight, position: rangeCount)
    }

    /// Returns the weight in the parameters from the first `;` on; nil for an invalid one.
    private static func weight(in parameters: ByteRange, of bytes: Span<UInt8>) -> Int? {
        var lower = parameters.lower + 1
        while lower <= parameters.upper {
            let upper = bytes.next(HTTPByte.semicolon, in: ByteRange(lower, parameters.upper))
            let parameter = bytes.trimmed(ByteRange(lower, upper))
            if bytes.hasPrefix("q=", in: parameter) {
                return thousandths(ByteRange(parameter.lower + 2, parameter.upper), of: bytes)
            }
            lower = upper + 1
        }
        return 1000
    }

    /// Parses `0.5`, `1`, `0.125`, `1.` (RFC 9110, 12.4.2).
    private static func thousandths(_ range: ByteRange, of bytes: Span<UInt8>) -> Int? {
        guard (1...5).contains(range.count) else { return nil }
        var value = 0
        var unit = 1000
        for index in range.indices {
            if index == range.lower + 1 {
                guard bytes[index] == UInt8(ascii: ".") else { return nil }
                continue
            }
            guard HTTPByte.isDigit(bytes[index]) else { return nil }
            value += Int(bytes[index] - 0x30) * unit
            unit /= 10
        }
        return value <= 1000 ? value : nil
    }
}

extension Span<UInt8> {
    /// Returns the next separator outside of quotes, or the end (RFC 9110, 5.6.4).
    fileprivate func next(_ separator: UInt8, in range: ByteRange) -> Int {
        var isQuoted = false
        var index = range.lower
        while index < range.upper {
            switch self[index] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case separator where !isQuoted: return index
            default: break
            }
            index += 1
        }
        return range.upper
    }
}
