/// Base64 in both alphabets of RFC 4648 (4 and 5).
package enum Base64 {
    package enum Alphabet: Sendable {
        /// Ends in `+` and `/`.
        case standard
        /// Ends in `-` and `_`.
        case urlSafe
    }

    package enum Padding: Sendable { case required, forbidden, optional }

    static let padding = UInt8(ascii: "=")
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlSafeLetters = Array(letters.dropLast(2)) + Array("-_".utf8)
    /// The value of each byte that is a letter, else `noLetter`.
    private static let values = table(of: letters)
    private static let urlSafeValues = table(of: urlSafeLetters)
    private static let noLetter: UInt8 = 0xff

    package static func encode(
        _ bytes: [UInt8], alphabet: Alphabet = .standard, isPadded: Bool = true
    ) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(count(of: bytes.count))
        forEachCharacter(of: bytes.span, alphabet: alphabet) { text.append($0) }
        if !isPadded { while text.last == padding { text.removeLast() } }
        return text
    }

    /// How many characters stand for so many bytes.
    static func count(of bytes: Int) -> Int { (bytes + 2) / 3 * 4 }

    @inline(__always)
    static func forEachCharacter(
        of bytes: Span<UInt8>, alphabet: Alphabet = .standard, _ body: (UInt8) -> Void
    ) {
        let letters = alphabet == .standard ? letters : urlSafeLetters
        let whole = bytes.count / 3 * 3
        for start in stride(from: 0, to: whole, by: 3) {
            let bits = Int(bytes[start]) << 16 | Int(bytes[start + 1]) << 8 | Int(bytes[start + 2])
            body(letters[bits >> 18])
            body(letters[bits >> 12 & 0x3f])
            body(letters[bits >> 6 & 0x3f])
            body(letters[bits & 0x3f])
        }
        let rest = bytes.count - whole
        guard rest > 0 else { return }
        let bits = Int(bytes[whole]) << 16 | (rest > 1 ? Int(bytes[whole + 1]) << 8 : 0)
        body(letters[bits >> 18])
        body(letters[bits >> 12 & 0x3f])
        body(rest > 1 ? letters[bits >> 6 & 0x3f] : padding)
        body(padding)
    }

    static func isLetter(_ byte: UInt8) -> Bool { values[Int(byte)] != noLetter }

    /// nil for anything but the one text that stands for these bytes: no whitespace, no other letters, no bits behind
    /// the last byte (RFC 4648, 3.5).
    package static func decode(
        _ text: Span<UInt8>, alphabet: Alphabet = .standard, padding: Padding = .required
    ) -> [UInt8]? {
        var end = text.count
        while end > 0, text.count - end < 2, text[end - 1] == Self.padding { end -= 1 }
        guard end % 4 != 1, isAllowed(text.count - end, behind: end, padding) else { return nil }
        let values = (alphabet == .standard ? values : urlSafeValues)
        var wrong: UInt8 = 0
        var bits: UInt32 = 0
        let decoded = [UInt8](capacity: end * 3 / 4) { output in
            var bitCount: UInt32 = 0
            for index in 0..<end {
                let value = values[Int(text[index])]
                wrong |= value & 0xc0
                bits = bits << 6 | UInt32(value & 0x3f)
                bitCount += 6
                guard bitCount >= 8 else { continue }
                bitCount -= 8
                output.append(UInt8(truncatingIfNeeded: bits >> bitCount))
                bits &= 1 << bitCount - 1
            }
        }
        return wrong == 0 && bits == 0 ? decoded : nil
    }

    private static func isAllowed(_ count: Int, behind letters: Int, _ padding: Padding) -> Bool {
        let isComplete = count == (4 - letters % 4) % 4
        return switch padding {
        case .required: isComplete
        case .forbidden: count == 0
        case .optional: isComplete || count == 0
        }
    }

    private static func table(of letters: [UInt8]) -> [UInt8] {
        letters.enumerated().reduce(into: [UInt8](repeating: noLetter, count: 256)) { table, letter in
            table[Int(letter.element)] = UInt8(letter.offset)
        }
    }
}
