/// Writes the head for the other side: hop-by-hop fields are removed, the daemon's fields added, and other fields
/// normalized to the form that all parsers read alike.
struct HeadRewriter {
    /// Writes a request's head for the backend.
    ///
    /// The daemon's fields replace a client's fields of the same name. Fields with a prefix in `without` are removed,
    /// and so is `Proxy`, which CGI-like gateways pass as HTTP_PROXY. `Host` is kept, unless an absolute target names
    /// another one; without one it is `authority`. `version` may be HTTP/1.0 for a client that cannot read a chunked
    /// response.
    static func request(
        _ head: RequestHead, in source: [UInt8], target: ArraySlice<UInt8>, own: AddedHeaders,
        without prefixes: [[UInt8]] = [], authority: String, upgrade: UpgradeIntent, keepAlive: Bool = false,
        version: HTTPVersion = .http11, into output: inout [UInt8]
    ) {
        precondition(isVisible(target), "a request target must not be empty or contain whitespace")
        let bytes = source.span
        // Reserve once; the connection fields are short.
        output.reserveCapacity(output.count + head.byteCount + target.count + own.lines.count + 64)
        output += source[head.method.indices]
        output.append(HTTPByte.space)
        output += target
        output += (version == .http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n").utf8
        let keepsHost = keepsHost(head, in: bytes)
        if !keepsHost, !own.haveHost {
            // First of all fields (RFC 9110, 7.2); only HTTP/1.0 clients omit it.
            append("Host", head.host.map { String(bytes, $0) } ?? authority, to: &output)
        }
        let hopByHop = HopByHop(head, in: bytes)
        appendFields(of: head, in: source, to: &output) { field in
            !hopByHop.covers(field, in: bytes) && !own.standInPlace(of: field, in: bytes)
                && field.resembled != .proxy && (keepsHost || field.known != .host)
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

    private static func keepsHost(_ head: RequestHead, in bytes: Span<UInt8>) -> Bool {
        guard head.form == .absolute else { return head.host != nil }
        guard let named = head.host, let field = head.onlyValue(of: .host) else { return false }
        return bytes.equals(named, field)
    }

    /// Writes a response's head for the client. With `upgrade`, which only a checked 101 may have, all fields are kept.
    ///
    /// An interim response has no connection fields (RFC 9110, 15.2), and an HTTP/1.0 client gets no Transfer-Encoding
    /// (RFC 9112, 6.1). `framing` is written where the response may have it.
    static func response(
        _ head: ResponseHead, in source: [UInt8], keepAlive: Bool, clientVersion: HTTPVersion, upgrade: Bool,
        framing keepsFraming: Bool = true, into output: inout [UInt8]
    ) {
        let bytes = source.span
        output.reserveCapacity(output.count + head.byteCount + 32)
        // Our own version, whatever the backend's (RFC 9110, 6.2).
        output += "HTTP/1.1 \(head.status) ".utf8
        output += source[head.reason.indices]
        output += "\r\n".utf8
        let hopByHop = HopByHop(head, in: bytes)
        appendFields(of: head, in: source, to: &output) { field in
            (upgrade || !hopByHop.covers(field, in: bytes))
                && !(clientVersion == .http10 && isAboutChunks(field)) && (keepsFraming || !isAboutFraming(field))
        }
        if head.status >= 200 {
            appendPersistence(keepAlive, defaultsToKeepAlive: clientVersion == .http11, to: &output)
        }
        output += "\r\n".utf8
    }

    /// Returns whether a 101 can be forwarded byte for byte, as nearly all can.
    static func isPlain(_ head: ResponseHead, in bytes: Span<UInt8>) -> Bool {
        for field in head.fields where isAboutFraming(field) || bytes[field.name.upper] != HTTPByte.colon {
            return false
        }
        return true
    }

    /// Writes `Connection` where it differs from the version's default (RFC 9112, 9.3).
    private static func appendPersistence(
        _ keepAlive: Bool, defaultsToKeepAlive: Bool, to output: inout [UInt8]
    ) {
        if !keepAlive {
            output += "Connection: close\r\n".utf8
        } else if !defaultsToKeepAlive {
            output += "Connection: keep-alive\r\n".utf8
        }
    }

    /// Writes fields unchanged, adjacent ones in one piece, except for those that parsers read differently.
    @inline(__always)
    private static func appendFields(
        of head: some MessageHead, in source: [UInt8], to output: inout [UInt8], where isKept: (HeaderField) -> Bool
    ) {
        var piece = 0..<0
        for (index, field) in head.fields.enumerated() where isKept(field) {
            let line = head.line(of: index)
            let isUsual = isUsual(field, line, source.span)
            if line.lower != piece.upperBound || !isUsual {
                output += source[piece]
                piece = line.lower..<line.lower
            }
            if isUsual {
                piece = piece.lowerBound..<line.upper
            } else {
                let isLength = field.known == .contentLength
                output += source[field.name.indices]
                output += ": ".utf8
                output += source[(isLength ? source.span.withoutLeadingZeros(field.value) : field.value).indices]
                output += "\r\n".utf8
                piece = 0..<0
            }
        }
        output += source[piece]
    }

    /// Returns whether a line needs no normalization. Normalized are blanks before the colon (responses only), tabs
    /// around the value, and leading zeros of a length. Some servers read `Transfer-Encoding:<tab>chunked` as another
    /// encoding (RFC 9110, 5.5: such whitespace is not part of the value), and some parsers read zeros as octal.
    private static func isUsual(_ field: HeaderField, _ line: ByteRange, _ bytes: Span<UInt8>) -> Bool {
        bytes[field.name.upper] == HTTPByte.colon
            && bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.name.upper, field.value.lower)) == nil
            && bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.value.upper, line.upper)) == nil
            && (field.known != .contentLength || bytes.withoutLeadingZeros(field.value) == field.value)
    }

    /// Appends a whole line of a configured name.
    static func append(_ name: String, _ value: String, to output: inout [UInt8]) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(HTTPByte.isToken), "a field name must be a token")
        output += name.utf8
        let start = beginValue(in: &output)
        output += value.utf8
        endValue(from: start, in: &output)
    }

    /// Returns where the value begins behind a written name.
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

    private static func isAboutFraming(_ field: HeaderField) -> Bool {
        field.known == .contentLength || field.known == .transferEncoding
    }

    private static func isAboutChunks(_ field: HeaderField) -> Bool {
        field.known == .transferEncoding || field.known == .trailer
    }

    private static func isVisible(_ target: ArraySlice<UInt8>) -> Bool {
        for byte in target where !(0x21...0x7e).contains(byte) { return false }
        return !target.isEmpty
    }
}
