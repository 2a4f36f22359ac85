/// Parses a number of bytes such as `512B`, `16KiB`, `2MiB`, `1GiB`.
enum SizeParser {
    private static let units: [(name: String, bytes: UInt64)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
    ]

    static func parse(_ text: String) throws(ValueProblem) -> UInt64 {
        let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty else { throw ValueProblem("is not a size; write one such as \"16KiB\"") }
        let name = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
        guard !name.isEmpty else {
            throw ValueProblem("has no unit; write \"\(text)KiB\", or a number without quotes for bytes")
        }
        guard let unit = units.first(where: { $0.name == name }) else {
            throw ValueProblem("has the unknown unit \(name.quoted); units are B, KiB, MiB and GiB")
        }
        guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else { throw tooLargeProblem }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: unit.bytes)
        guard !isTooLarge, bytes <= largest else { throw tooLargeProblem }
        return bytes
    }

    /// Largest value of a signed number of 64 bits.
    static let largest = UInt64(Int64.max)

    private static let tooLargeProblem = ValueProblem("is more than can be counted")
}
