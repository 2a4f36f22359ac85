/// Base64 with padding (RFC 4648, 4), only the direction the handshake needs.
package enum Base64 {
    static let padding = UInt8(ascii: "=")
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(count(of: bytes.count))
        forEachCharacter(of: bytes.span) { text.append($0) }
        return text
    }

    /// How many characters stand for so many bytes.
    static func count(of bytes: Int) -> Int { (bytes + 2) / 3 * 4 }

    @inline(__always)
    static func forEachCharacter(of bytes: Span<UInt8>, _ body: (UInt8) -> Void) {
        let alphabet = alphabet
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var bits = 0
            for place in 0..<3 { bits = bits << 8 | (place < count ? Int(bytes[start + place]) : 0) }
            for place in 0..<4 { body(place <= count ? alphabet[bits >> (18 - 6 * place) & 0x3f] : padding) }
        }
    }

    static func isLetter(_ byte: UInt8) -> Bool { alphabet.contains(byte) }
}
