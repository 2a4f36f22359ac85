/// A secret in `Authorization: Bearer SECRET` (RFC 6750, 2.1): the token of operators, or the key of programs.
struct BearerToken: Equatable, Sendable {
    private let bytes: [UInt8]

    /// nil for a text that is too short or has characters that a token must not have.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard Limits.statusTokenBytes.contains(bytes.count), bytes.allSatisfy(Self.isTokenByte) else { return nil }
        self.bytes = bytes
    }

    /// The key of programs that broadcast or start commands, which an operator may have chosen for other programs
    /// before: any bytes that a field's value may have in one word (RFC 9110, 5.5). nil for another length or other
    /// bytes.
    static func accessKey(_ text: String) -> BearerToken? {
        let bytes = Array(text.utf8)
        let isWord = bytes.allSatisfy { $0 > 0x20 && $0 != 0x7f }
        return isWord && Limits.accessKeyBytes.contains(bytes.count) ? BearerToken(bytes: bytes) : nil
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Returns whether there is exactly one `Authorization` value with this token.
    func matches(_ values: [[UInt8]]) -> Bool {
        let scheme = Array("bearer ".utf8)
        guard values.count == 1, let value = values.first,
            value.prefix(scheme.count).elementsEqual(scheme, by: { $0 | 0x20 == $1 })
        else { return false }
        let offered = value.dropFirst(scheme.count).drop { $0 == UInt8(ascii: " ") }
        return ConstantTime.areEqual(offered.span, bytes.span)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~+/=".utf8.contains(byte)
        }
    }
}
