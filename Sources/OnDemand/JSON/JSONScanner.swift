/// Scans one JSON text (RFC 8259) for the places of its values, without building any.
///
/// `JSONReader` builds a tree and explains every mistake to the author of a file. This scanner is for messages: one
/// pass, no allocation, no recursion. What it accepts is what the reader accepts, with two differences that clients and
/// publishers rely on:
///
/// - A repeated key is allowed; the last one counts, as in JavaScript and Ruby.
/// - Half of a surrogate pair may be written as an escape, as `JSON.stringify` does. Such a string is valid as a value
///   that is passed on, and has no content of its own (`JSONSlice.string`).
///
/// A span cannot be stored, so every function takes the text again.
struct JSONScanner {
    /// Arrays and objects inside each other. Ruby's reader takes as many (`max_nesting`).
    static let depthLimit = 100

    private var index: Int
    /// All bytes of all strings or-ed together: without a high bit the text is ASCII and valid UTF-8.
    private var seenBits: UInt8 = 0
    private let depthLimit: Int

    private init(at index: Int, depthLimit: Int) {
        // The nesting is kept in 128 bits.
        precondition(depthLimit < 128, "the depth limit does not fit")
        self.index = index
        self.depthLimit = depthLimit
    }

    /// The value of a text that is one JSON value, without the whitespace around it.
    static func value(
        of text: Span<UInt8>, depthLimit: Int = depthLimit
    ) throws(JSONScanError) -> JSONSlice {
        var scanner = JSONScanner(at: 0, depthLimit: depthLimit)
        scanner.skipWhitespace(in: text)
        let value = try scanner.value(in: text)
        try scanner.finish(text)
        return value
    }

    static func isValue(_ text: Span<UInt8>) -> Bool { (try? value(of: text)) != nil }

    /// Calls `body` for each member of the object that the text is, in order. After an error everything that `body` was
    /// told is void.
    static func forEachMember(
        of text: Span<UInt8>, _ body: (_ key: JSONSlice, _ value: JSONSlice) -> Void
    ) throws(JSONScanError) {
        var scanner = JSONScanner(at: 0, depthLimit: depthLimit)
        scanner.skipWhitespace(in: text)
        guard scanner.next(in: text) == UInt8(ascii: "{") else {
            _ = try value(of: text)
            throw JSONScanError(.notAnObject, at: scanner.index)
        }
        try scanner.members(in: text, body)
        try scanner.finish(text)
    }

    /// The same for an object inside a text that was scanned before.
    static func forEachMember(
        of object: JSONSlice, in text: Span<UInt8>, _ body: (_ key: JSONSlice, _ value: JSONSlice) -> Void
    ) throws(JSONScanError) {
        guard object.kind == .object else { throw JSONScanError(.notAnObject, at: object.range.lower) }
        var scanner = JSONScanner(at: object.range.lower, depthLimit: depthLimit)
        try scanner.members(in: text, body)
    }

    /// Calls `body` for each item of an array inside a text that was scanned before, in order.
    static func forEachItem<Failure>(
        of array: JSONSlice, in text: Span<UInt8>, _ body: (JSONSlice) throws(Failure) -> Void
    ) throws(Failure) {
        guard array.kind == .array else { return }
        var scanner = JSONScanner(at: array.range.lower, depthLimit: depthLimit)
        while let item = scanner.nextItem(in: text) { try body(item) }
    }
}

// MARK: - Values

extension JSONScanner {
    /// Which of the open brackets are objects: one bit for each, the innermost one lowest.
    private struct Nesting {
        private var objects: UInt128 = 0
        private(set) var depth = 0

        var isInObject: Bool { objects & 1 == 1 }
        var closing: UInt8 { isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }

        mutating func enter(_ kind: JSONSlice.Kind) {
            objects = objects << 1 | (kind == .object ? 1 : 0)
            depth += 1
        }

        mutating func leave() {
            objects >>= 1
            depth -= 1
        }
    }

    /// Steps over the value that begins here.
    private mutating func value(in text: Span<UInt8>, insideOf outer: Int = 0) throws(JSONScanError) -> JSONSlice {
        let first = try scalarOrOpening(in: text)
        guard first.kind == .object || first.kind == .array else { return first }
        var nesting = Nesting()
        guard outer < depthLimit else { throw JSONScanError(.tooDeep, at: first.range.lower) }
        nesting.enter(first.kind)
        var hasJustOpened = true
        while nesting.depth > 0 {
            skipWhitespace(in: text)
            if next(in: text) == nesting.closing {
                index += 1
                nesting.leave()
                hasJustOpened = false
                continue
            }
            if !hasJustOpened { try comma(in: text) }
            if nesting.isInObject { _ = try key(in: text) }
            let item = try scalarOrOpening(in: text)
            hasJustOpened = item.kind == .object || item.kind == .array
            guard hasJustOpened else { continue }
            guard outer + nesting.depth < depthLimit else { throw JSONScanError(.tooDeep, at: item.range.lower) }
            nesting.enter(item.kind)
        }
        return JSONSlice(first.kind, ByteRange(first.range.lower, index))
    }

    /// A string, number or word to its end, or an opening bracket alone.
    private mutating func scalarOrOpening(in text: Span<UInt8>) throws(JSONScanError) -> JSONSlice {
        let start = index
        guard let byte = next(in: text) else { throw JSONScanError(.syntax, at: start) }
        switch byte {
        case UInt8(ascii: "\""): return try string(in: text)
        case UInt8(ascii: "{"):
            index += 1
            return JSONSlice(.object, ByteRange(start, index))
        case UInt8(ascii: "["):
            index += 1
            return JSONSlice(.array, ByteRange(start, index))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            try number(in: text)
            return JSONSlice(.number, ByteRange(start, index))
        case UInt8(ascii: "t"): return try word([0x74, 0x72, 0x75, 0x65], .boolean, in: text)
        case UInt8(ascii: "f"): return try word([0x66, 0x61, 0x6c, 0x73, 0x65], .boolean, in: text)
        case UInt8(ascii: "n"): return try word([0x6e, 0x75, 0x6c, 0x6c], .null, in: text)
        default: throw JSONScanError(.syntax, at: start)
        }
    }

    private mutating func word<let count: Int>(
        _ word: InlineArray<count, UInt8>, _ kind: JSONSlice.Kind, in text: Span<UInt8>
    ) throws(JSONScanError) -> JSONSlice {
        let start = index
        for place in word.indices {
            guard next(in: text) == word[place] else { throw JSONScanError(.syntax, at: index) }
            index += 1
        }
        return JSONSlice(kind, ByteRange(start, index))
    }

    /// RFC 8259, 6.
    private mutating func number(in text: Span<UInt8>) throws(JSONScanError) {
        if next(in: text) == UInt8(ascii: "-") { index += 1 }
        if next(in: text) == UInt8(ascii: "0") {
            index += 1
        } else {
            try digits(in: text)
        }
        if next(in: text) == UInt8(ascii: ".") {
            index += 1
            try digits(in: text)
        }
        guard let byte = next(in: text), byte | 0x20 == UInt8(ascii: "e") else { return }
        index += 1
        if let sign = next(in: text), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { index += 1 }
        try digits(in: text)
    }

    private mutating func digits(in text: Span<UInt8>) throws(JSONScanError) {
        let start = index
        while let byte = next(in: text), byte &- UInt8(ascii: "0") < 10 { index += 1 }
        guard index > start else { throw JSONScanError(.syntax, at: index) }
    }

    /// RFC 8259, 7.
    private mutating func string(in text: Span<UInt8>) throws(JSONScanError) -> JSONSlice {
        let start = index
        var place = index + 1
        var bits: UInt8 = 0
        var hasEscapes = false
        while place < text.count {
            let byte = text[place]
            if byte == UInt8(ascii: "\"") {
                index = place + 1
                seenBits |= bits
                return JSONSlice(.string, ByteRange(start, index), hasEscapes: hasEscapes)
            }
            guard byte >= 0x20 else { throw JSONScanError(.syntax, at: place) }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                place = try Self.endOfEscape(at: place, in: text)
            } else {
                bits |= byte
                place += 1
            }
        }
        throw JSONScanError(.syntax, at: place)
    }

    private static func endOfEscape(at start: Int, in text: Span<UInt8>) throws(JSONScanError) -> Int {
        guard start + 1 < text.count else { throw JSONScanError(.syntax, at: text.count) }
        switch text[start + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start + 2
        case UInt8(ascii: "u"):
            for place in start + 2..<start + 6 {
                guard place < text.count, HexDigit.value(of: text[place]) != nil else {
                    throw JSONScanError(.syntax, at: place)
                }
            }
            return start + 6
        default: throw JSONScanError(.syntax, at: start + 1)
        }
    }
}

// MARK: - Arrays and objects

extension JSONScanner {
    /// The members of the object that begins here, up to the end of the object.
    private mutating func members(
        in text: Span<UInt8>, _ body: (_ key: JSONSlice, _ value: JSONSlice) -> Void
    ) throws(JSONScanError) {
        index += 1
        skipWhitespace(in: text)
        var isFirst = true
        while next(in: text) != UInt8(ascii: "}") {
            if !isFirst { try comma(in: text) }
            isFirst = false
            let key = try key(in: text)
            body(key, try value(in: text, insideOf: 1))
            skipWhitespace(in: text)
        }
        index += 1
    }

    /// The next item of an array that was scanned before; the scanner stands on its opening bracket or behind an item.
    private mutating func nextItem(in text: Span<UInt8>) -> JSONSlice? {
        skipWhitespace(in: text)
        guard next(in: text) != UInt8(ascii: "]") else { return nil }
        // The opening bracket or a comma.
        index += 1
        skipWhitespace(in: text)
        return try? value(in: text, insideOf: 1)
    }

    /// A key and its colon, up to the first byte of the value.
    private mutating func key(in text: Span<UInt8>) throws(JSONScanError) -> JSONSlice {
        guard next(in: text) == UInt8(ascii: "\"") else { throw JSONScanError(.syntax, at: index) }
        let key = try string(in: text)
        skipWhitespace(in: text)
        guard next(in: text) == UInt8(ascii: ":") else { throw JSONScanError(.syntax, at: index) }
        index += 1
        skipWhitespace(in: text)
        return key
    }

    private mutating func comma(in text: Span<UInt8>) throws(JSONScanError) {
        guard next(in: text) == UInt8(ascii: ",") else { throw JSONScanError(.syntax, at: index) }
        index += 1
        skipWhitespace(in: text)
    }

    /// RFC 8259, 2.
    private mutating func skipWhitespace(in text: Span<UInt8>) {
        while let byte = next(in: text), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private func next(in text: Span<UInt8>) -> UInt8? { index < text.count ? text[index] : nil }

    /// Nothing but whitespace follows, and the whole text is UTF-8.
    private mutating func finish(_ text: Span<UInt8>) throws(JSONScanError) {
        skipWhitespace(in: text)
        guard index == text.count else { throw JSONScanError(.syntax, at: index) }
        guard seenBits >= 0x80 else { return }
        do {
            _ = try UTF8Span(validating: text)
        } catch {
            throw JSONScanError(.invalidUTF8, at: error.byteOffsets.lowerBound)
        }
    }
}
