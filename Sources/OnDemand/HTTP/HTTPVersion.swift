/// The supported versions; others get 505.
enum HTTPVersion: Equatable, Sendable {
    case http10, http11

    /// Parses `HTTP/` digit `.` digit, case-sensitive (RFC 9112, 2.3).
    init(_ range: ByteRange, in bytes: Span<UInt8>) throws(HeadError) {
        guard range.count == 8 else { throw .malformedVersion(at: range.lower) }
        var index = range.lower
        for byte in "HTTP/".utf8 {
            guard bytes[index] == byte else { throw .malformedVersion(at: range.lower) }
            index += 1
        }
        guard HTTPByte.isDigit(bytes[index]), bytes[index + 1] == UInt8(ascii: "."),
            HTTPByte.isDigit(bytes[index + 2])
        else { throw .malformedVersion(at: range.lower) }
        switch (bytes[index], bytes[index + 2]) {
        case (UInt8(ascii: "1"), UInt8(ascii: "0")): self = .http10
        case (UInt8(ascii: "1"), UInt8(ascii: "1")): self = .http11
        default: throw .unsupportedVersion
        }
    }

    /// As in a start line.
    var text: String {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        }
    }
}
