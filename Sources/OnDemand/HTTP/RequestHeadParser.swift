/// Parses a request head incrementally and rejects ambiguous ones.
struct RequestHeadParser {
    private enum Stage {
        /// Empty lines may come before it (RFC 9112, 2.2).
        case awaitingRequestLine(emptyLines: Int)
        case readingFields(RequestLine, [HeaderField])
    }

    private let limits: HeadLimits
    private var lines = HeadLines()
    private var stage = Stage.awaitingRequestLine(emptyLines: 0)

    init(limits: HeadLimits = .init()) { self.limits = limits }

    /// Returns the head once it is complete; nil needs the same bytes and more.
    ///
    /// Afterwards the parser is reset: the next call expects the next head from offset 0.
    mutating func examine(_ unread: Span<UInt8>) throws(HeadError) -> RequestHead? {
        if case .awaitingRequestLine(let emptyLines) = stage { try readRequestLine(unread, behind: emptyLines) }
        guard case .readingFields(let requestLine, var fields) = stage else { return nil }
        // The only reference to the fields is the local one now, so that appending copies none.
        stage = .awaitingRequestLine(emptyLines: 0)
        while let line = try lines.next(in: unread, limits: limits) {
            guard line.isEmpty else {
                guard fields.count < limits.maximumFields else { throw .tooManyFields }
                if fields.isEmpty { fields.reserveCapacity(HeadLimits.usualFields) }
                fields.append(try HeaderField(line, in: unread))
                continue
            }
            let head = try assemble(requestLine, fields, in: unread)
            self = Self(limits: limits)
            return head
        }
        stage = .readingFields(requestLine, fields)
        return nil
    }

    private mutating func readRequestLine(_ unread: Span<UInt8>, behind emptyLines: Int) throws(HeadError) {
        var emptyLines = emptyLines
        while let line = try lines.next(in: unread, limits: limits, isRequestLine: true) {
            guard line.isEmpty else {
                stage = .readingFields(try RequestLine(line, in: unread, limits: limits), [])
                return
            }
            emptyLines += 1
            guard emptyLines <= HeadLimits.maximumEmptyLines else { throw .emptyRequestLine }
        }
        stage = .awaitingRequestLine(emptyLines: emptyLines)
    }

    private func assemble(
        _ line: RequestLine, _ fields: [HeaderField], in bytes: Span<UInt8>
    ) throws(HeadError) -> RequestHead {
        RequestHead(
            method: line.method, target: line.target, form: line.parts.form, path: line.parts.path,
            query: line.parts.query, version: line.version, fields: fields,
            host: try host(of: line, fields, in: bytes), byteCount: lines.byteCount, isHead: line.isHead,
            wantsKeepAlive: RequestHead.wantsKeepAlive(line.version, fields, in: bytes))
    }

    /// Returns the only valid Host; none is allowed in HTTP/1.0 only (RFC 9112, 3.2). An absolute target overrides the
    /// field (RFC 9112, 3.2.2).
    private func host(
        of line: RequestLine, _ fields: [HeaderField], in bytes: Span<UInt8>
    ) throws(HeadError) -> ByteRange? {
        var found: ByteRange?
        for field in fields where field.known == .host {
            guard found == nil else { throw .severalHosts }
            found = field.value
        }
        if let found {
            guard HostAndPort(found, in: bytes) != nil else { throw .invalidHost }
        } else {
            guard line.version == .http10 else { throw .missingHost }
        }
        return line.parts.authority ?? found
    }
}
