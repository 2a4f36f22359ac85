/// A request line: method, target and version, separated by single spaces (RFC 9112, 3).
struct RequestLine: Equatable, Sendable {
    let method: ByteRange
    let target: ByteRange
    let parts: RequestTarget
    let version: HTTPVersion
    let isHead: Bool

    /// Parses a line without its CRLF. The version comes first: it decides whether the rest is HTTP/1.x.
    init(_ line: ByteRange, in bytes: Span<UInt8>, limits: HeadLimits) throws(HeadError) {
        guard let first = bytes.firstIndex(of: HTTPByte.space, in: line), first > line.lower,
            let last = bytes.lastIndex(of: HTTPByte.space, in: line), last > first + 1
        else { throw .malformedRequestLine }
        version = try HTTPVersion(ByteRange(last + 1, line.upper), in: bytes)
        method = ByteRange(line.lower, first)
        try Self.checkMethod(method, in: bytes)
        isHead = bytes.equals("HEAD", in: method)
        target = ByteRange(first + 1, last)
        guard target.count <= limits.maximumURIBytes else { throw .targetTooLong }
        parts = try RequestTarget(target, isOptions: bytes.equals("OPTIONS", in: method), in: bytes)
    }

    private static func checkMethod(_ method: ByteRange, in bytes: Span<UInt8>) throws(HeadError) {
        guard method.count <= HeadLimits.maximumMethodBytes else { throw .methodTooLong }
        var hasSmallLetter = false
        for index in method.indices {
            guard HTTPByte.isToken(bytes[index]) else { throw .invalidMethod(at: index) }
            if (0x61...0x7a).contains(bytes[index]) { hasSmallLetter = true }
        }
        // Methods are case-sensitive (RFC 9110, 9.1), but a backend that takes `head` for HEAD would send no body. Only
        // capitals are accepted where the method decides about framing or form.
        if hasSmallLetter {
            for name in ["HEAD", "CONNECT", "OPTIONS"] where bytes.equals(name, in: method) {
                throw .methodInWrongCase
            }
        }
        // Tunnels to other hosts are not supported (RFC 9110, 9.3.6).
        if bytes.equals("CONNECT", in: method) { throw .connectRefused }
    }
}
