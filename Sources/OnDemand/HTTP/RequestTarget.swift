/// A request target in one of the three supported forms (RFC 9112, 3.2).
struct RequestTarget: Equatable, Sendable {
    enum Form: Equatable, Sendable {
        case origin, absolute, asterisk
    }

    let form: Form
    let path: ByteRange
    let query: ByteRange?
    /// In absolute form; else nil.
    let authority: ByteRange?
    /// Default port of the target's scheme.
    let defaultPort: Int

    init(_ target: ByteRange, isOptions: Bool, in bytes: Span<UInt8>) throws(HeadError) {
        try Self.checkBytes(of: target, in: bytes)
        var rest = target
        switch bytes[target.lower] {
        case UInt8(ascii: "/"):
            form = .origin
            authority = nil
            defaultPort = 80
        case UInt8(ascii: "*") where target.count == 1:
            guard isOptions else { throw .asteriskMisplaced }  // RFC 9112, 3.2.4
            form = .asterisk
            authority = nil
            defaultPort = 80
        default:
            let isSecure = bytes.hasPrefix("https://", in: target)
            // Authority form belongs to CONNECT (RFC 9112, 3.2.3); other schemes are not supported.
            guard isSecure || bytes.hasPrefix("http://", in: target) else { throw .authorityMisplaced }
            let range = Self.authority(after: target.lower + (isSecure ? 8 : 7), in: target, of: bytes)
            guard HostAndPort(range, in: bytes) != nil else { throw .invalidAuthority }
            form = .absolute
            authority = range
            defaultPort = isSecure ? 443 : 80
            rest = ByteRange(range.upper, target.upper)
        }
        let mark = bytes.firstIndex(of: UInt8(ascii: "?"), in: rest)
        path = ByteRange(rest.lower, mark ?? rest.upper)
        query = mark.map { ByteRange($0 + 1, rest.upper) }
    }

    /// Checks for visible ASCII without a fragment. Braces, bars and quotes are invalid in URIs (RFC 3986, 2), but
    /// browsers send them and all parsers read them alike.
    private static func checkBytes(of target: ByteRange, in bytes: Span<UInt8>) throws(HeadError) {
        for index in target.indices {
            switch bytes[index] {
            case HTTPByte.space, HTTPByte.tab: throw .spaceInTarget(at: index)
            case UInt8(ascii: "#"): throw .fragmentInTarget(at: index)
            case 0x21...0x7e: continue
            default: throw .invalidTarget(at: index)
            }
        }
    }

    private static func authority(
        after lower: Int, in target: ByteRange, of bytes: Span<UInt8>
    ) -> ByteRange {
        for index in lower..<target.upper
        where bytes[index] == UInt8(ascii: "/") || bytes[index] == UInt8(ascii: "?") {
            return ByteRange(lower, index)
        }
        return ByteRange(lower, target.upper)
    }
}
