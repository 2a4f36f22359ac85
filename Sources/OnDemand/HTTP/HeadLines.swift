/// Splits a head into lines, one strict CRLF at a time, and rejects bytes that no head may contain.
///
/// Bytes are checked in order, and a carriage return once its successor has arrived, so the verdict does not depend on
/// how the bytes arrive.
struct HeadLines {
    private var lineStart = 0
    private var scanned = 0  // Keeps the work linear for a head that arrives byte by byte.

    /// Bytes of the lines found so far.
    var byteCount: Int { lineStart }

    /// Returns the next line without its CRLF; nil until it has arrived.
    ///
    /// A lone LF or CR ends a line for some parsers only (RFC 9112, 2.2), so it is rejected.
    mutating func next(
        in unread: Span<UInt8>, limits: HeadLimits, isRequestLine: Bool = false
    ) throws(HeadError) -> ByteRange? {
        precondition(unread.count >= scanned, "bytes went missing between calls")
        let lineBound = isRequestLine ? lineStart + limits.maximumRequestLineBytes : .max
        let bound = min(unread.count, limits.maximumHeaderBytes, lineBound)
        scanned += Self.textCount(unread.extracting(min(scanned, bound)..<bound))
        // A carriage return is checked together with its successor.
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

    /// Returns the length of the text at the front. Every byte of every head passes this function.
    private static func textCount(_ bytes: Span<UInt8>) -> Int {
        for index in bytes.indices where !HTTPByte.isText(bytes[index]) { return index }
        return bytes.count
    }
}
