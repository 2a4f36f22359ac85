/// Finds the lines of a head, one strict CRLF at a time, and refuses bytes that no head may contain.
///
/// Works byte by byte in order, so the verdict cannot depend on how the bytes arrive.
struct HeadLines {
    private var lineStart = 0
    private var scanned = 0  // So a head that trickles in still costs linear work.

    /// How many bytes the lines found so far take.
    var byteCount: Int { lineStart }

    /// The next line without its CRLF; nil until it has arrived.
    ///
    /// A lone LF or CR ends a line for some parsers and not for others (RFC 9112, 2.2).
    mutating func next(
        in unread: Span<UInt8>, limits: HeadLimits, isRequestLine: Bool = false
    ) throws(HeadError) -> ByteRange? {
        precondition(unread.count >= scanned, "bytes went missing between calls")
        while scanned < unread.count {
            let index = scanned
            guard index < limits.maximumHeadBytes else { throw .headTooLarge }
            guard !isRequestLine || index - lineStart < limits.maximumRequestLineBytes else { throw .targetTooLong }
            let byte = unread[index]
            let followsReturn = index > 0 && unread[index - 1] == HTTPByte.carriageReturn
            if byte == HTTPByte.lineFeed {
                guard followsReturn else { throw .bareLineFeed(at: index) }
                let line = ByteRange(lineStart, index - 1)
                scanned = index + 1
                lineStart = scanned
                return line
            }
            guard !followsReturn else { throw .bareCarriageReturn(at: index - 1) }
            guard HTTPByte.isText(byte) || byte == HTTPByte.carriageReturn else {
                throw .controlCharacter(at: index)
            }
            scanned = index + 1
        }
        return nil
    }
}
