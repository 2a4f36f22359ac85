/// What an answer of ours is written as.
enum ResponseFormat: CaseIterable {
    /// A line for a terminal, and for everybody who does not ask for something else.
    case text
    /// A short page.
    case html
    case json

    /// The media ranges that mean it, from the vaguest on.
    fileprivate var ranges: [String] {
        switch self {
        case .text: ["*/*", "text/*", "text/plain"]
        case .html: ["*/*", "text/*", "text/html"]
        case .json: ["*/*", "application/*", "application/json"]
        }
    }
}

/// Which form the Accept fields of a request ask for (RFC 9110, 12.5.1): the one with the highest weight, of equals the
/// one that is named first. What cannot be read counts as not said, and where nothing fits the reader gets text.
struct AcceptReader {
    private var text = Wish()
    private var html = Wish()
    private var json = Wish()
    private var rangeCount = 0

    /// What was last said of one form; a range that names it more closely outweighs the others.
    private struct Wish {
        /// How many of its ranges are as vague as the one that counts, or vaguer.
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

    /// One field's value; several fields read as one list.
    mutating func read(_ value: ByteRange, in bytes: Span<UInt8>) {
        var lower = value.lower
        while lower <= value.upper {
            let upper = bytes.next(HTTPByte.comma, in: ByteRange(lower, value.upper))
            readElement(ByteRange(lower, upper), in: bytes)
            lower = upper + 1
        }
    }

    /// Such as `text/html;level=1;q=0.5`. Parameters other than the weight narrow nothing: no form of ours has any.
    private mutating func readElement(_ element: ByteRange, in bytes: Span<UInt8>) {
        let end = bytes.next(HTTPByte.semicolon, in: element)
        let range = bytes.trimmed(ByteRange(element.lower, end))
        guard !range.isEmpty, let weight = Self.weight(in: ByteRange(end, element.upper), of: bytes) else { return }
        rangeCount += 1
        text.hear(range, of: bytes, for: .text, weight: weight, position: rangeCount)
        html.hear(range, of: bytes, for: .html, weight: weight, position: rangeCount)
        json.hear(range, of: bytes, for: .json, weight: weight, position: rangeCount)
    }

    /// Of the parameters from the first `;` on; nil where it is no weight.
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

    /// `0.5`, `1`, `0.125`, `1.` (RFC 9110, 12.4.2).
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
    /// The next one of these that is in no quotes, or the end (RFC 9110, 5.6.4).
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
