/// Parses one JSON text (RFC 8259) and records the position of each value.
struct JSONReader {
    /// A configuration is a few kilobytes; a megabyte is a wrong file.
    static let byteLimit = 1024 * 1024
    /// Levels of nesting; limits the stack of the parser (RFC 8259, 9 allows a limit).
    static let depthLimit = 64

    /// Handling of repeated keys. Parsers disagree about them (RFC 8259, 4), so they are rejected by default.
    enum DuplicateKeys {
        case refused
        /// For a caller that reports them with other errors.
        case kept
    }

    private let bytes: [UInt8]
    private let duplicateKeys: DuplicateKeys
    private var index = 0
    private var position = TextPosition()
    private var depth = 0

    static func read(_ bytes: [UInt8], duplicateKeys: DuplicateKeys = .refused) throws(JSONError) -> JSONValue {
        try checkEncoding(of: bytes)
        var reader = JSONReader(bytes: bytes, duplicateKeys: duplicateKeys)
        return try reader.text()
    }

    private init(bytes: [UInt8], duplicateKeys: DuplicateKeys) {
        self.bytes = bytes
        self.duplicateKeys = duplicateKeys
    }

    /// Checks the whole text for UTF-8, so that other functions need not.
    private static func checkEncoding(of bytes: [UInt8]) throws(JSONError) {
        guard bytes.count <= byteLimit else { throw JSONError(reason: .tooLarge, position: TextPosition()) }
        guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]) else {
            throw JSONError(reason: .byteOrderMark, position: TextPosition())
        }
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            var position = TextPosition()
            for byte in bytes[..<error.byteOffsets.lowerBound] { position.step(over: byte) }
            throw JSONError(reason: .invalidUTF8, position: position)
        }
    }

    private mutating func text() throws(JSONError) -> JSONValue {
        try skipWhitespace()
        let value = try value()
        try skipWhitespace()
        guard next == nil else { throw error(.trailingData(found)) }
        return value
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        let start = position
        guard let byte = next else { throw error(.empty) }
        let content: JSONValue.Content
        switch byte {
        case UInt8(ascii: "{"): content = .object(try members())
        case UInt8(ascii: "["): content = .array(try items())
        case UInt8(ascii: "\""): content = .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): content = .number(try number())
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): content = try word()
        case UInt8(ascii: "+"): throw error(.leadingPlus)
        case UInt8(ascii: "'"): throw error(.singleQuotes)
        default: throw error(.unexpected(found, expected: "a value"))
        }
        return JSONValue(content: content, position: start)
    }
}

// MARK: - Arrays and objects

extension JSONReader {
    private mutating func items() throws(JSONError) -> [JSONValue] {
        let opened = try enter()
        var items: [JSONValue] = []
        try skipWhitespace()
        var more = next != UInt8(ascii: "]")
        while more {
            guard next != nil else { throw error(.endsInside(.array, opened: opened)) }
            items.append(try value())
            more = try comma(before: UInt8(ascii: "]"), of: .array, opened: opened)
        }
        leave()
        return items
    }

    private mutating func members() throws(JSONError) -> [JSONMember] {
        let opened = try enter()
        var members: [JSONMember] = []
        // Keys are compared as bytes: Swift's strings would take two spellings of the same accent for one.
        var firstPositions: [[UInt8]: TextPosition] = [:]
        try skipWhitespace()
        var more = next != UInt8(ascii: "}")
        while more {
            let member = try member(opened: opened)
            let first = firstPositions.updateValue(member.keyPosition, forKey: Array(member.key.utf8))
            if let first, duplicateKeys == .refused {
                throw JSONError(reason: .duplicateKey(member.key, first: first), position: member.keyPosition)
            }
            members.append(member)
            more = try comma(before: UInt8(ascii: "}"), of: .object, opened: opened)
        }
        leave()
        return members
    }

    private mutating func member(opened: TextPosition) throws(JSONError) -> JSONMember {
        let keyPosition = position
        switch next {
        case UInt8(ascii: "\""): break
        case UInt8(ascii: "'"): throw error(.singleQuotes)
        case nil: throw error(.endsInside(.object, opened: opened))
        case .some(let byte) where Self.isWordByte(byte): throw error(.unquotedKey(peekedWord))
        default: throw error(.unexpected(found, expected: "a key in double quotes"))
        }
        let key = try string()
        try skipWhitespace()
        guard next != nil else { throw error(.endsInside(.object, opened: opened)) }
        guard next == UInt8(ascii: ":") else { throw error(.unexpected(found, expected: "a colon after the key")) }
        advance()
        try skipWhitespace()
        guard next != nil else { throw error(.endsInside(.object, opened: opened)) }
        return JSONMember(key: key, keyPosition: keyPosition, value: try value())
    }

    private mutating func enter() throws(JSONError) -> TextPosition {
        guard depth < Self.depthLimit else { throw error(.tooDeep) }
        depth += 1
        let opened = position
        advance()
        return opened
    }

    private mutating func leave() {
        advance()
        depth -= 1
    }

    /// Skips the comma and returns whether an item follows; false leaves the closing bracket unread.
    private mutating func comma(
        before closing: UInt8, of construct: JSONError.Construct, opened: TextPosition
    ) throws(JSONError) -> Bool {
        try skipWhitespace()
        guard let byte = next else { throw error(.endsInside(construct, opened: opened)) }
        if byte == closing { return false }
        guard byte == UInt8(ascii: ",") else {
            let bracket = construct == .array ? "]" : "}"
            throw error(.unexpected(found, expected: "a comma or \"\(bracket)\""))
        }
        let comma = position
        advance()
        try skipWhitespace()
        guard next != closing else { throw JSONError(reason: .trailingComma, position: comma) }
        return true
    }
}

// MARK: - Numbers and words

extension JSONReader {
    /// Parses a number (RFC 8259, 6).
    private mutating func number() throws(JSONError) -> JSONNumber {
        let start = index
        if next == UInt8(ascii: "-") { advance() }
        if next == UInt8(ascii: "0") {
            advance()
            if let byte = next, Self.isDigit(byte) { throw error(.leadingZero) }
        } else {
            try digits(since: start)
        }
        if next == UInt8(ascii: ".") {
            advance()
            try digits(since: start)
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            advance()
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { advance() }
            try digits(since: start)
        }
        return JSONNumber(text: String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func digits(since start: Int) throws(JSONError) {
        guard let byte = next, Self.isDigit(byte) else {
            throw error(.missingDigit(after: String(decoding: bytes[start..<index], as: UTF8.self)))
        }
        while let byte = next, Self.isDigit(byte) { advance() }
    }

    private mutating func word() throws(JSONError) -> JSONValue.Content {
        let word = peekedWord
        let content: JSONValue.Content
        switch word {
        case "true": content = .boolean(true)
        case "false": content = .boolean(false)
        case "null": content = .null
        default: throw error(.unknownWord(word))
        }
        for _ in word.utf8 { advance() }
        return content
    }

    private var peekedWord: String {
        String(decoding: bytes[index...].prefix(while: Self.isWordByte), as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"): true
        default: false
        }
    }
}

// MARK: - Strings

extension JSONReader {
    /// Parses a string (RFC 8259, 7).
    private mutating func string() throws(JSONError) -> String {
        let opened = position
        advance()
        var content: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                advance()
                return String(decoding: content, as: UTF8.self)
            case UInt8(ascii: "\\"):
                try content.append(contentsOf: String(escape(opened: opened)).utf8)
            case 0..<0x20:
                throw error(.controlCharacter(byte))
            default:
                content.append(byte)
                advance()
            }
        }
        throw error(.endsInside(.string, opened: opened))
    }

    private mutating func escape(opened: TextPosition) throws(JSONError) -> Character {
        let start = position
        advance()
        guard let byte = next else { throw error(.endsInside(.string, opened: opened)) }
        let simple: Character
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): simple = Character(Unicode.Scalar(byte))
        case UInt8(ascii: "b"): simple = "\u{8}"
        case UInt8(ascii: "f"): simple = "\u{C}"
        case UInt8(ascii: "n"): simple = "\n"
        case UInt8(ascii: "r"): simple = "\r"
        case UInt8(ascii: "t"): simple = "\t"
        case UInt8(ascii: "u"): return Character(try unicodeEscape(start: start))
        default: throw JSONError(reason: .unknownEscape(String(peekedCharacter)), position: start)
        }
        advance()
        return simple
    }

    /// A scalar beyond the basic plane is written as two escapes, a high and a low surrogate.
    private mutating func unicodeEscape(start: TextPosition) throws(JSONError) -> Unicode.Scalar {
        let first = try codeUnit(start: start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        let alone = JSONError(reason: .loneSurrogate("\\u\(String(first, radix: 16))"), position: start)
        guard first < 0xDC00, bytes[index...].starts(with: Array("\\u".utf8)) else { throw alone }
        let secondStart = position
        advance()
        let second = try codeUnit(start: secondStart)
        guard (0xDC00...0xDFFF).contains(second) else { throw alone }
        let value = 0x1_0000 + (UInt32(first - 0xD800) << 10 | UInt32(second - 0xDC00))
        guard let scalar = Unicode.Scalar(value) else { preconditionFailure("a surrogate pair is always a scalar") }
        return scalar
    }

    /// Four hexadecimal digits behind the `u` that is next.
    private mutating func codeUnit(start: TextPosition) throws(JSONError) -> UInt16 {
        advance()
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw JSONError(reason: .shortUnicodeEscape, position: start)
            }
            unit = unit << 4 | UInt16(digit)
            advance()
        }
        return unit
    }
}

// MARK: - Moving on

extension JSONReader {
    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func advance() {
        position.step(over: bytes[index])
        index += 1
    }

    private mutating func skipWhitespace() throws(JSONError) {
        while let byte = next {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): advance()
            case UInt8(ascii: "/"), UInt8(ascii: "#"): throw error(.comment)
            default: return
            }
        }
    }

    private func error(_ reason: JSONError.Reason) -> JSONError { JSONError(reason: reason, position: position) }

    /// The next character, for error messages.
    private var found: String {
        guard next != nil else { return "the end of the text" }
        return String(peekedCharacter).quoted
    }

    private var peekedCharacter: Unicode.Scalar {
        // Four bytes hold any scalar of UTF-8.
        let scalars = String(decoding: bytes[index...].prefix(4), as: UTF8.self).unicodeScalars
        return scalars[scalars.startIndex]
    }
}
