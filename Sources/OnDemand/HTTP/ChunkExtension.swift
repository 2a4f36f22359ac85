/// Walks the extensions of a client's chunk line byte by byte, from behind the first semicolon (RFC 9112, 7.1.1):
///
///     chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
///
/// Nothing of them is kept. They are checked because parsers that are more or less strict read other lines differently.
struct ChunkExtension: Equatable {
    private enum Expected {
        case nameStart, name, nameEnd
        case valueStart, token, quotedText, escaped, quoteEnd
        /// Behind blanks that follow a whole extension: only another one may follow.
        case separator
    }

    private var expected = Expected.nameStart

    /// The line may end here: no name, value, quote or blank is open.
    var isWhole: Bool {
        switch expected {
        case .name, .token, .quoteEnd: true
        case .nameStart, .nameEnd, .valueStart, .quotedText, .escaped, .separator: false
        }
    }

    /// False where the grammar has no such byte.
    mutating func take(_ byte: UInt8) -> Bool {
        switch (expected, byte) {
        case (.quotedText, UInt8(ascii: "\"")): expected = .quoteEnd
        case (.quotedText, UInt8(ascii: "\\")): expected = .escaped
        case (.quotedText, _) where HTTPByte.isText(byte), (.escaped, _) where HTTPByte.isText(byte):
            expected = .quotedText
        case (.nameStart, _) where HTTPByte.isWhitespace(byte), (.valueStart, _) where HTTPByte.isWhitespace(byte):
            break
        case (.nameStart, _) where HTTPByte.isToken(byte), (.name, _) where HTTPByte.isToken(byte): expected = .name
        case (.name, UInt8(ascii: "=")), (.nameEnd, UInt8(ascii: "=")): expected = .valueStart
        case (.name, _) where HTTPByte.isWhitespace(byte), (.nameEnd, _) where HTTPByte.isWhitespace(byte):
            expected = .nameEnd
        case (.valueStart, UInt8(ascii: "\"")): expected = .quotedText
        case (.valueStart, _) where HTTPByte.isToken(byte), (.token, _) where HTTPByte.isToken(byte): expected = .token
        case (.token, _) where HTTPByte.isWhitespace(byte), (.quoteEnd, _) where HTTPByte.isWhitespace(byte),
            (.separator, _) where HTTPByte.isWhitespace(byte):
            expected = .separator
        case (.name, HTTPByte.semicolon), (.nameEnd, HTTPByte.semicolon), (.token, HTTPByte.semicolon),
            (.quoteEnd, HTTPByte.semicolon), (.separator, HTTPByte.semicolon):
            expected = .nameStart
        default: return false
        }
        return true
    }
}
