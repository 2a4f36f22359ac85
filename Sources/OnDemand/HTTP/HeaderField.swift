/// One field line of a head, as offsets.
struct HeaderField: Equatable, Sendable {
    let name: ByteRange
    /// Without surrounding whitespace.
    let value: ByteRange
    /// The name as CGI-like gateways read it, which treat `_` as `-`.
    let resembled: FieldName
    /// Whether the name is spelled with `-`, as registered.
    private let isExact: Bool

    /// The known field; a lookalike is `.other`.
    var known: FieldName { isExact ? resembled : .other }
}

extension HeaderField {
    /// Parses a line without its CRLF: `field-name ":" OWS field-value OWS` (RFC 9112, 5).
    ///
    /// Blanks before the colon are used to bypass filters: a request with them is rejected, from a response they are
    /// removed (RFC 9112, 5.1).
    init(_ line: ByteRange, in bytes: Span<UInt8>, removingBlanks: Bool = false) throws(HeadError) {
        // A continued line (RFC 9112, 5.2), or space after the start line (RFC 9112, 2.2).
        guard !HTTPByte.isWhitespace(bytes[line.lower]) else { throw .obsoleteFolding(at: line.lower) }
        let (length, hasUnderscore) = Self.token(at: bytes.extracting(line.indices))
        let end = line.lower + length
        var colon = end
        while removingBlanks, end > line.lower, colon < line.upper, HTTPByte.isWhitespace(bytes[colon]) { colon += 1 }
        guard colon < line.upper, bytes[colon] == HTTPByte.colon else { throw Self.nameError(at: end, line, bytes) }
        guard end > line.lower else { throw .emptyName(at: end) }
        let name = ByteRange(line.lower, end)
        let resembled = FieldName(resembledBy: name, in: bytes)
        self.init(
            name: name, value: bytes.trimmed(ByteRange(colon + 1, line.upper)), resembled: resembled,
            isExact: !hasUnderscore)
    }

    /// Returns how many bytes from the front are valid in a name.
    private static func token(at bytes: Span<UInt8>) -> (length: Int, hasUnderscore: Bool) {
        var hasUnderscore = false
        for index in bytes.indices {
            let byte = bytes[index]
            if HTTPByte.isLetter(byte) { continue }  // The most common case.
            guard HTTPByte.isToken(byte) else { return (index, hasUnderscore) }
            if byte == HTTPByte.underscore { hasUnderscore = true }
        }
        return (bytes.count, hasUnderscore)
    }

    private static func nameError(at index: Int, _ line: ByteRange, _ bytes: Span<UInt8>) -> HeadError {
        guard bytes.firstIndex(of: HTTPByte.colon, in: line) != nil else { return .missingColon(at: line.lower) }
        return HTTPByte.isWhitespace(bytes[index]) ? .whitespaceInName(at: index) : .invalidName(at: index)
    }
}
