/// A parsed `Host` value or authority.
struct HostAndPort: Equatable, Sendable {
    let host: ByteRange
    /// nil when absent or empty (`example.com:`), which means the scheme's default (RFC 3986, 3.2.3).
    let port: Int?

    /// nil for anything but a name or address and an optional port.
    ///
    /// Stricter than RFC 3986, 3.2.2: DNS names contain no percent signs, commas or other sub-delimiters, and parsers
    /// disagree about them. User information is rejected too (RFC 9110, 4.2.4).
    init?(_ range: ByteRange, in bytes: Span<UInt8>) {
        guard let end = Self.hostEnd(of: range, in: bytes) else { return nil }
        host = ByteRange(range.lower, end)
        guard end < range.upper else {
            port = nil
            return
        }
        guard bytes[end] == HTTPByte.colon, range.upper - end <= 6 else { return nil }
        var number = 0
        for index in (end + 1)..<range.upper {
            guard HTTPByte.isDigit(bytes[index]) else { return nil }
            number = number * 10 + Int(bytes[index] - 0x30)
        }
        guard number <= 0xffff else { return nil }
        port = end + 1 < range.upper ? number : nil
    }

    /// Returns whether both are the same host and port, with this default port.
    func agrees(with other: HostAndPort, defaultPort: Int, in bytes: Span<UInt8>) -> Bool {
        bytes.equals(host, other.host) && (port ?? defaultPort) == (other.port ?? defaultPort)
    }

    private static func hostEnd(of range: ByteRange, in bytes: Span<UInt8>) -> Int? {
        guard !range.isEmpty else { return nil }
        if bytes[range.lower] == UInt8(ascii: "[") { return literalEnd(of: range, in: bytes) }
        let end = bytes.firstIndex(of: HTTPByte.colon, in: range) ?? range.upper
        guard end > range.lower else { return nil }
        for index in range.lower..<end {
            switch Unicode.Scalar(bytes[index]) {
            case "-", ".", "_", "~": continue
            default: guard HTTPByte.isLetter(bytes[index]) || HTTPByte.isDigit(bytes[index]) else { return nil }
            }
        }
        return end
    }

    /// Returns the end of an IPv6 address in brackets; its validity is left to the backend.
    private static func literalEnd(of range: ByteRange, in bytes: Span<UInt8>) -> Int? {
        guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]"), in: range), bracket > range.lower + 2 else {
            return nil
        }
        for index in (range.lower + 1)..<bracket {
            switch bytes[index] {
            case HTTPByte.colon, UInt8(ascii: "."): continue
            default: guard HTTPByte.hexadecimal(bytes[index]) != nil else { return nil }
            }
        }
        return bracket + 1
    }
}
