/// The ID of one run of a command: 128 random bits as 22 characters that need no escaping in paths, streams and
/// variables (the URL-safe alphabet of RFC 4648, 5). It cannot be guessed.
struct RunID: Hashable, Sendable {
    let text: String

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    init(high: UInt64, low: UInt64) {
        var bits = UInt128(high) << 64 | UInt128(low)
        var characters: [UInt8] = []
        for _ in 0..<Limits.runIDBytes {
            characters.append(Self.letters[Int(bits & 0x3f)])
            bits >>= 6
        }
        text = String(decoding: characters, as: UTF8.self)
    }

    /// From the path of a request. nil: no ID has this form.
    init?(_ text: some StringProtocol) {
        guard text.utf8.count == Limits.runIDBytes, text.utf8.allSatisfy(Self.letters.contains) else { return nil }
        self.text = String(text)
    }
}
