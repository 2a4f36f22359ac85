/// Parses a response head incrementally, as strictly as requests except for blanks before a colon. A rejected head does
/// not reach the client.
struct ResponseHeadParser {
    private enum Stage {
        case awaitingStatusLine
        case readingFields(StatusLine, [HeaderField])
    }

    private let limits: HeadLimits
    private var lines = HeadLines()
    private var stage = Stage.awaitingStatusLine

    init(limits: HeadLimits = .ofResponse) { self.limits = limits }

    /// Returns the head once it is complete; nil needs the same bytes and more.
    ///
    /// Afterwards the parser is reset: the next call expects the next head from offset 0.
    mutating func examine(_ unread: Span<UInt8>) throws(HeadError) -> ResponseHead? {
        if case .awaitingStatusLine = stage {
            guard let line = try lines.next(in: unread, limits: limits) else { return nil }
            stage = .readingFields(try StatusLine(line, in: unread), [])
        }
        guard case .readingFields(let statusLine, var fields) = stage else { return nil }
        // The only reference to the fields is the local one now, so that appending copies none.
        stage = .awaitingStatusLine
        while let line = try lines.next(in: unread, limits: limits) {
            guard line.isEmpty else {
                guard fields.count < limits.maximumFields else { throw .tooManyFields }
                if fields.isEmpty { fields.reserveCapacity(HeadLimits.usualFields) }
                fields.append(try HeaderField(line, in: unread, removingBlanks: true))
                continue
            }
            let head = ResponseHead(
                status: statusLine.status, version: statusLine.version, reason: statusLine.reason,
                fields: fields, byteCount: lines.byteCount,
                wantsKeepAlive: ResponseHead.wantsKeepAlive(statusLine.version, fields, in: unread))
            self = Self(limits: limits)
            return head
        }
        stage = .readingFields(statusLine, fields)
        return nil
    }
}

/// A status line: version, three digits, a reason phrase (RFC 9112, 4).
private struct StatusLine {
    let version: HTTPVersion
    let status: Int
    let reason: ByteRange

    init(_ line: ByteRange, in bytes: Span<UInt8>) throws(HeadError) {
        let start = line.lower
        guard line.count >= 12, bytes[start + 8] == HTTPByte.space else { throw .malformedStatusLine }
        version = try HTTPVersion(ByteRange(start, start + 8), in: bytes)
        var number = 0
        for index in (start + 9)..<(start + 12) {
            guard HTTPByte.isDigit(bytes[index]) else { throw .malformedStatusLine }
            number = number * 10 + Int(bytes[index] - 0x30)
        }
        // The space before an empty phrase is often missing, which is unambiguous.
        guard line.count == 12 || bytes[start + 12] == HTTPByte.space else { throw .malformedStatusLine }
        guard (100...599).contains(number) else { throw .invalidStatus }  // RFC 9110, 15
        status = number
        reason = ByteRange(min(start + 13, line.upper), line.upper)
    }
}
