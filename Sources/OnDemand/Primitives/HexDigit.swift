/// Hexadecimal digits as bytes, for escapes, percent-encoding and digests.
enum HexDigit {
    private static let letters = Array("0123456789abcdef".utf8)

    /// Returns the value of a digit in either case; nil for other bytes.
    static func value(of byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// Returns the lower-case digit of a value below 16.
    static func digit(for value: UInt8) -> UInt8 { letters[Int(value)] }
}
