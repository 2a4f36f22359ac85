/// Writes the head that goes on to the other side: this hop's fields out, ours in, the rest byte for byte.
struct HeadRewriter {
    /// Writes a request's head for the backend.
    ///
    /// A client's fields named in `set` give way to ours, also when spelled with `_` for `-`; those whose names begin
    /// with one of `without` stay behind. `Host` stays as it
    /// came; without one it is the target's authority, else `authority`. `version` may be HTTP/1.0 for a client
    /// that speaks no more and could not read a chunked answer.
    static func request(
        _ head: RequestHead, in bytes: Span<UInt8>, target: [UInt8], set: [(name: String, value: String)],
        without prefixes: [String] = [], authority: String, upgrade: UpgradeIntent, keepAlive: Bool = false,
        version: HTTPVersion = .http11,
        into output: inout [UInt8]
    ) {
        precondition(isVisible(target), "a request target must not be empty or contain whitespace")
        // One growth for all of it: what a request gets from us is about as long as what most come with.
        output.reserveCapacity(output.count + head.byteCount + 512)
        output.append(from: bytes, head.method)
        output.append(HTTPByte.space)
        output += target
        output += " \(version.text)\r\n".utf8
        let hasHost = !head.values(of: "host", in: bytes).isEmpty
        if !hasHost, !set.contains(where: { isNamed("host", $0.name) }) {
            // First of all fields (RFC 9110, 7.2); only an HTTP/1.0 client has none.
            append("Host", head.host.map { String(bytes, $0) } ?? authority, to: &output)
        }
        let hopByHop = HopByHop(head, in: bytes)
        for (index, field) in head.fields.enumerated() where !hopByHop.covers(field.name, in: bytes) {
            if isReplaced(field.name, by: set, in: bytes) || isRemoved(field.name, by: prefixes, in: bytes) { continue }
            append(index, of: head, in: bytes, to: &output)
        }
        for field in set { append(field.name, field.value, to: &output) }
        if upgrade == .webSocket {
            append("Connection", "Upgrade", to: &output)
            append("Upgrade", "websocket", to: &output)
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
        _ head: ResponseHead, in bytes: Span<UInt8>, keepAlive: Bool, clientVersion: HTTPVersion, upgrade: Bool,
        into output: inout [UInt8]
    ) {
        guard !upgrade else {
            output.append(from: bytes, ByteRange(0, head.byteCount))
            return
        }
        output.reserveCapacity(output.count + head.byteCount + 32)
        // Our own version, whatever the backend's (RFC 9110, 6.2).
        output += "HTTP/1.1 \(head.status) ".utf8
        output.append(from: bytes, head.reason)
        output += "\r\n".utf8
        let hopByHop = HopByHop(head, in: bytes)
        for (index, field) in head.fields.enumerated() where !hopByHop.covers(field.name, in: bytes) {
            if clientVersion == .http10, isAboutChunks(field.name, in: bytes) { continue }
            append(index, of: head, in: bytes, to: &output)
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
            append("Connection", "close", to: &output)
        } else if !defaultsToKeepAlive {
            append("Connection", "keep-alive", to: &output)
        }
    }

    /// Writes a field as it came, except that tabs around its value become one space: there are servers that read
    /// `Transfer-Encoding:<tab>chunked` as another encoding (RFC 9110, 5.5: such whitespace is no part of the value).
    private static func append(
        _ index: Int, of head: some MessageHead, in bytes: Span<UInt8>, to output: inout [UInt8]
    ) {
        let field = head.fields[index]
        let line = head.line(of: index)
        let before = bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.name.upper, field.value.lower))
        let behind = bytes.firstIndex(of: HTTPByte.tab, in: ByteRange(field.value.upper, line.upper))
        guard before != nil || behind != nil else { return output.append(from: bytes, line) }
        output.append(from: bytes, field.name)
        output += ": ".utf8
        output.append(from: bytes, field.value)
        output += "\r\n".utf8
    }

    private static func append(_ name: String, _ value: String, to output: inout [UInt8]) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(HTTPByte.isToken), "a field name must be a token")
        precondition(value.utf8.allSatisfy(HTTPByte.isText), "a field value must not contain line ends")
        output += name.utf8
        output += ": ".utf8
        output += value.utf8
        output += "\r\n".utf8
    }

    private static func isReplaced(
        _ name: ByteRange, by set: [(name: String, value: String)], in bytes: Span<UInt8>
    ) -> Bool {
        for field in set where bytes.resembles(field.name, in: name) { return true }
        return false
    }

    private static func isRemoved(_ name: ByteRange, by prefixes: [String], in bytes: Span<UInt8>) -> Bool {
        for prefix in prefixes where prefix.utf8.count <= name.count {
            let start = ByteRange(name.lower, name.lower + prefix.utf8.count)
            if bytes.resembles(prefix, in: start) { return true }
        }
        return false
    }

    private static func isAboutChunks(_ name: ByteRange, in bytes: Span<UInt8>) -> Bool {
        bytes.equals("transfer-encoding", in: name) || bytes.equals("trailer", in: name)
    }

    private static func isNamed(_ name: String, _ other: String) -> Bool {
        name.utf8.elementsEqual(other.utf8.map(HTTPByte.lowercased))
    }

    private static func isVisible(_ target: [UInt8]) -> Bool {
        !target.isEmpty && target.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
