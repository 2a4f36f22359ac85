/// One field line of a head, as offsets into the head's bytes.
struct HeaderField: Equatable, Sendable {
    let name: ByteRange
    /// Without the optional whitespace around it.
    let value: ByteRange
}

extension HeaderField {
    /// Reads a line without its CRLF: `field-name ":" OWS field-value OWS` (RFC 9112, 5).
    init(_ line: ByteRange, in bytes: Span<UInt8>) throws(HeadError) {
        // A continued line (RFC 9112, 5.2), or space after the start line (RFC 9112, 2.2).
        guard !HTTPByte.isWhitespace(bytes[line.lower]) else { throw .obsoleteFolding(at: line.lower) }
        guard let colon = bytes.firstIndex(of: HTTPByte.colon, in: line) else {
            throw .missingColon(at: line.lower)
        }
        guard colon > line.lower else { throw .emptyName(at: line.lower) }
        for index in line.lower..<colon where !HTTPByte.isToken(bytes[index]) {
            // Before the colon too: the classic way past a filter (RFC 9112, 5.1).
            throw HTTPByte.isWhitespace(bytes[index]) ? .whitespaceInName(at: index) : .invalidName(at: index)
        }
        self.init(
            name: ByteRange(line.lower, colon), value: bytes.trimmed(ByteRange(colon + 1, line.upper)))
    }
}
