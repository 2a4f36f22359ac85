/// The special bytes of HTTP/1.1, and which bytes are allowed where.
enum HTTPByte {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let colon = UInt8(ascii: ":")
    static let semicolon = UInt8(ascii: ";")
    static let comma = UInt8(ascii: ",")
    static let underscore = UInt8(ascii: "_")

    /// Optional whitespace (RFC 9110, 5.6.3).
    static func isWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }

    /// Whether the byte may occur in a method or field name (RFC 9110, 5.6.2): letters, digits and `!#$%&'*+-.^_`|~`.
    static func isToken(_ byte: UInt8) -> Bool {
        let half: UInt64 = byte < 0x40 ? 0x03ff_6cfa_0000_0000 : byte < 0x80 ? 0x57ff_ffff_c7ff_fffe : 0
        return half &>> UInt64(byte & 0x3f) & 1 == 1
    }

    /// Whether the byte may occur in a line of a head: no control character but the tab; obs-text is allowed (RFC 9110,
    /// 5.5).
    static func isText(_ byte: UInt8) -> Bool { byte >= space && byte != 0x7f || byte == tab }

    /// Returns the value of a hexadecimal digit.
    static func hexadecimal(_ byte: UInt8) -> UInt8? { HexDigit.value(of: byte) }

    static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    /// Returns the byte in lower case, `_` as `-`, as gateways to CGI-like environments read names: for Rack both
    /// `X-Forwarded-For` and `X_Forwarded_For` are `HTTP_X_FORWARDED_FOR`.
    static func folded(_ byte: UInt8) -> UInt8 { byte == underscore ? UInt8(ascii: "-") : lowercased(byte) }
}
