/// Writes the head that goes on to the other side: this hop's fields out, ours in, the rest byte for byte.
struct HeadRewriter {
    /// Writes a request's head for the backend.
    ///
    /// A client's fields give way to ours of the same name; those whose names begin with one of `without` stay behind.
    /// `Host` stays as it came; without one it is the target's authority, else `authority`. `version` may be HTTP/1.0
    /// for a client that speaks no more and could not read a chunked answer.
    static func request(
        _ head: RequestHead, in source: [UInt8], target: ArraySlice<UInt8>, own: OwnFields,
        without prefixes: [[UInt8]] = [], authority: String, upgrade: UpgradeIntent, keepAlive: Bool = false,
        version: HTTPVersion = .http11, into output: inout [UInt8]
    ) {
        precondition(isVisible(target), "a request target must not be empty or contain whitespace")
        let bytes = source.span
        // One growth for all of it; what we say about the connection is short.
        output.reserveCapacity(output.count + head.byteCount + target.count + own.lines.count + 64)
        output += source[head.method.indices]
        output.append(HTTPByte.space)
        output += target
        output += (version == .http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n").utf8
        if !head.has(.host), !own.haveHost {
            // First of all fields (RFC 9110, 7.2); only an HTTP/1.0 client has none.
            append("Host", head.host.map { String(bytes, $0) } ?? authority, to: &output)
        }
        let hopByHop = HopByHop(head, in: bytes)
        appendFields(of: head, in: source, to: &output) { field in
            !hopByHop.covers(field, in: bytes) && !own.standInPlace(of: field, in: bytes)
                && !isRemoved(field.name, by: prefixes, in: bytes)
        }
        output += own.lines
        if upgrade == .webSocket {
            output += "Connection: Upgrade\r\nUpgrade: websocket\r\n".utf8
        } else {
            appendPersistence(keepAlive, defaultsToKeepAlive: version == .http11, to: &output)
        }
        output += "\r\n".utf8
    }

    /// Writes a response's head for the client. With `upgrade`, which only a checked 101 may have, it is a copy.
    ///
    /// An interim answer says nothing about the connection (RFC 9110, 15.2), and a client of HTTP/1.0 is told nothing
    /// about chunks, which it is not sent (RFC 9112, 6.1).
    static func response(
        _ head: ResponseHead, in source: [UInt8], keepAlive: Bool, clientVersion: HTTPVersion, upgrade: Bool,
        into output: inout [UInt8]
    ) {
        guard !upgrade else {
            output += source[..<head.byteCount]
            return
        }
        let bytes = source.span
        output.reserveCapacity(output.count + head.byteCount + 32)
        // Our own version, whatever the backend's (RFC 9110, 6.2).
        output += "HTTP/1.1 \(head.status) ".utf8
        output += source[head.reason.indices]
        output += "\r\n".utf8
        let hopByHop = HopByHop(head, in: bytes)
        appendFields(of: head, in: source, to: &output) { field in
            !hopByHop.covers(field, in: bytes) && !(clientVersion == .http10 && isAboutChunks(field))
        }
        if head.status >= 200 {
            appendPersistence(keepAlive, defaultsToKeepAlive: clientVersion == .http11, to: &output)
        }
        output += "\r\n".utf8
    }

    /// Says only what the version does not already mean (RFC 9112, 9.3).
    private static func appendPersistence(
        _ keepAlive: Bool, defaultsToKeepAlive: Bool, to output: inout [UInt8]
    ) {
        if !keepAlive {
            output += "Connection: close\r\n".utf8
        } else if !defaultsToKeepAlive {
            output += "Connection: keep-alive\r\n".utf8
        }
    }

    /// Writes fields as they came, neighbours in one piece, except that tabs around a value become one space: there
    /// are servers that read `Transfer-Encoding:<tab>chunked` as another encoding (RFC 9110, 5.5: such whitespace is
    /// no part of the value).
    @inline(__always)
    private static func appendFields(
        of head: some MessageHead, in source: [UInt8], to output: inout [UInt8], where isKept: (HeaderField) -> Bool
    ) {
        var piece = 0..<0
        for (index, field) in head.fields.enumerated() where isKept(field) {
            let line = head.line(of: index)
            if line.lower != piece.upperBound || hasTabs(field, line, source.span) {
                output += source[piece]
                piece = line.lower..<line.lower
            }
            if hasTabs(field, line, source.span) {
                output += source[field.name.indices]
                output += ": ".utf8
                output += source[field.value.indices]
                output += "\r\n".utf8
                piece = 0..<0
            } else {
                piece = piece.lowerBound..<line.upper
            }
        }
        output += source[piece]
    }

    private static func hasTabs(_ field: HeaderField, _ line: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.name.upper, field.value.lower)) != nil
            || bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.value.upper, line.upper)) != nil
    }

    /// A whole line with a name that is not our own.
    static func append(_ name: String, _ value: String, to output: inout [UInt8]) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(HTTPByte.isToken), "a field name must be a token")
        output += name.utf8
        let start = beginValue(in: &output)
        output += value.utf8
        endValue(from: start, in: &output)
    }

    /// Where the value of a line begins whose name has been written.
    static func beginValue(in output: inout [UInt8]) -> Int {
        output.append(HTTPByte.colon)
        output.append(HTTPByte.space)
        return output.count
    }

    static func endValue(from start: Int, in output: inout [UInt8]) {
        precondition(isText(output.span.extracting(start..<output.count)), "a field value must not contain line ends")
        output.append(HTTPByte.carriageReturn)
        output.append(HTTPByte.lineFeed)
    }

    private static func isText(_ value: Span<UInt8>) -> Bool {
        for index in value.indices where !HTTPByte.isText(value[index]) { return false }
        return true
    }

    private static func isRemoved(_ name: ByteRange, by prefixes: [[UInt8]], in bytes: Span<UInt8>) -> Bool {
        for prefix in prefixes where bytes.beginsLike(prefix, in: name) { return true }
        return false
    }

    private static func isAboutChunks(_ field: HeaderField) -> Bool {
        field.known == .transferEncoding || field.known == .trailer
    }

    private static func isVisible(_ target: ArraySlice<UInt8>) -> Bool {
        for byte in target where !(0x21...0x7e).contains(byte) { return false }
        return !target.isEmpty
    }
}
