/// Finds the lines of a head, one strict CRLF at a time, and refuses bytes that no head may contain.
///
/// Looks at each byte in order, and at a carriage return once its successor is there: the verdict cannot depend on how
/// the bytes arrive.
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
        let lineBound = isRequestLine ? lineStart + limits.maximumRequestLineBytes : .max
        let bound = min(unread.count, limits.maximumHeaderBytes, lineBound)
        scanned += Self.textCount(unread.extracting(min(scanned, bound)..<bound))
        // A carriage return is judged together with what follows it.
        let isReturn = scanned < bound && unread[scanned] == HTTPByte.carriageReturn
        let judged = isReturn ? scanned + 1 : scanned
        guard judged < unread.count else { return nil }
        guard judged < limits.maximumHeaderBytes else { throw .headTooLarge }
        guard judged < lineBound else { throw .targetTooLong }
        let isEnd = unread[judged] == HTTPByte.lineFeed
        guard isReturn else { throw isEnd ? .bareLineFeed(at: judged) : .controlCharacter(at: judged) }
        guard isEnd else { throw .bareCarriageReturn(at: scanned) }
        defer { (lineStart, scanned) = (judged + 1, judged + 1) }
        return ByteRange(lineStart, scanned)
    }

    /// How many bytes from the front belong into a line. Every byte of every head comes by here.
    private static func textCount(_ bytes: Span<UInt8>) -> Int {
        for index in bytes.indices where !HTTPByte.isText(bytes[index]) { return index }
        return bytes.count
    }
}
