/// The characters of a path (RFC 3986, 3.3).
enum PathSyntax {
    /// Whether the byte is a `pchar` or a slash; `%` counts, its digits are checked elsewhere.
    static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "-._~!$&'()*+,;=:@/%".utf8.contains(byte)
        }
    }

    /// Returns whether each `%` is followed by two hexadecimal digits (RFC 3986, 2.1).
    static func hasWholeEscapes(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.indices.allSatisfy { index in
            guard bytes[index] == UInt8(ascii: "%") else { return true }
            return index + 2 < bytes.count && hexValue(bytes[index + 1]) != nil && hexValue(bytes[index + 2]) != nil
        }
    }

    /// Returns whether a backend that decodes and resolves this path could leave its apparent location.
    ///
    /// A `.` or `..` segment (RFC 3986, 5.2.4) counts in every spelling: percent-encoded dots and slashes, backslashes,
    /// parameters behind a semicolon. Backends differ in which of these they resolve.
    static func hasDotSegment(_ path: Span<UInt8>) -> Bool {
        var dots = 0
        var isOnlyDots = true
        var isParameter = false
        var index = 0
        while index < path.count {
            let (byte, length) = decodedByte(of: path, at: index)
            index += length
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "\\"):
                if isOnlyDots && (1...2).contains(dots) { return true }
                (dots, isOnlyDots, isParameter) = (0, true, false)
            case _ where isParameter: continue
            case UInt8(ascii: ";"): isParameter = true
            case UInt8(ascii: "."): dots += 1
            default: isOnlyDots = false
            }
        }
        return isOnlyDots && (1...2).contains(dots)
    }

    private static func decodedByte(of path: Span<UInt8>, at index: Int) -> (byte: UInt8, length: Int) {
        guard path[index] == UInt8(ascii: "%"), index + 2 < path.count,
            let high = hexValue(path[index + 1]), let low = hexValue(path[index + 2])
        else { return (path[index], 1) }
        return (high << 4 | low, 3)
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
