/// Why a text is not JSON, and where; each reason has a sentence for its author.
struct JSONError: Error, Equatable, Sendable {
    enum Reason: Equatable, Sendable {
        case tooLarge
        case tooDeep
        case empty
        case byteOrderMark
        case invalidUTF8
        case endsInside(Construct, opened: TextPosition)
        case unexpected(String, expected: String)
        case trailingData(String)
        case trailingComma
        case comment
        case singleQuotes
        case unquotedKey(String)
        case unknownWord(String)
        case leadingPlus
        case leadingZero
        case missingDigit(after: String)
        case controlCharacter(UInt8)
        case unknownEscape(String)
        case shortUnicodeEscape
        case loneSurrogate(String)
        case duplicateKey(String, first: TextPosition)
    }

    enum Construct: String, Sendable { case object, array, string }

    let reason: Reason
    let position: TextPosition
}

extension JSONError {
    var sentence: String {
        switch reason {
        case .tooLarge: "the text is larger than \(JSONReader.byteLimit) bytes"
        case .tooDeep: "arrays and objects are nested deeper than \(JSONReader.depthLimit) levels"
        case .empty: "the text is empty; a JSON value is needed"
        case .byteOrderMark: "the file starts with a byte order mark; save it as UTF-8 without one (RFC 8259, 8.1)"
        case .invalidUTF8: "these bytes are not UTF-8; save the file in that encoding (RFC 8259, 8.1)"
        case .endsInside(let construct, let opened): "the text ends inside the \(construct.rawValue) begun at \(opened)"
        case .unexpected(let found, let expected): "expected \(expected), found \(found)"
        case .trailingData(let found): "expected nothing after the value, found \(found)"
        case .trailingComma: "this comma is followed by nothing; JSON allows none after the last item"
        case .comment: "JSON has no comments"
        case .singleQuotes: "strings and keys take double quotes"
        case .unquotedKey(let word): "keys take double quotes; write \(word.quoted)"
        case .unknownWord(let word): Self.sentence(aboutWord: word)
        case .leadingPlus: "numbers take no plus sign"
        case .leadingZero: "numbers take no leading zeros"
        case .missingDigit(let part): "a digit is needed after \(part.quoted)"
        case .controlCharacter(let byte): Self.sentence(aboutControl: byte)
        case .unknownEscape(let escape):
            "a backslash before \(escape.quoted) is not an escape; write a backslash as \\\\"
        case .shortUnicodeEscape: "\\u needs four hexadecimal digits"
        case .loneSurrogate(let escape): "\(escape) is half of a surrogate pair (RFC 8259, 8.2)"
        case .duplicateKey(let key, let first): "the key \(key.quoted) was already given at \(first)"
        }
    }

    private static func sentence(aboutWord word: String) -> String {
        let lowercased = word.lowercased()
        if ["true", "false", "null"].contains(lowercased) { return "\(word.quoted) is written \(lowercased)" }
        return "\(word.quoted) is not a value; strings take double quotes, other words are true, false and null"
    }

    private static func sentence(aboutControl byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"): "a string must end on its line; a line break inside is written \\n"
        case UInt8(ascii: "\t"): "a tab inside a string is written \\t"
        default: "the control character \(byte) inside a string must be escaped (RFC 8259, 7)"
        }
    }
}
