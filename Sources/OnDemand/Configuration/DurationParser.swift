/// Parses a duration such as `250ms`, `30s`, `15m`, `1h30m`.
enum DurationParser {
    /// From the longest to the shortest, the order in which they must be written.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ]

    static func parse(_ text: String) throws(ValueProblem) -> Duration {
        if text == "0" { return .zero }
        guard !text.isEmpty else { throw ValueProblem("is not a duration; write one such as \"30s\"") }
        var rest = Array(text.utf8)[...]
        var total: Int64 = 0
        var unitsLeft = units[...]
        while !rest.isEmpty {
            let (number, unit) = try part(of: &rest, in: text)
            guard let rank = unitsLeft.firstIndex(where: { $0.name == unit }) else {
                throw problem(withUnit: unit, in: text)
            }
            let (nanoseconds, tooLarge) = number.multipliedReportingOverflow(by: unitsLeft[rank].nanoseconds)
            let (sum, tooLong) = total.addingReportingOverflow(nanoseconds)
            guard !tooLarge, !tooLong else { throw tooLongProblem }
            total = sum
            unitsLeft = unitsLeft[(rank + 1)...]
        }
        return .nanoseconds(total)
    }

    /// Parses one number and its unit.
    private static func part(
        of rest: inout ArraySlice<UInt8>, in text: String
    ) throws(ValueProblem) -> (number: Int64, unit: String) {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty else {
            throw ValueProblem("is not a duration; write whole numbers with units, such as \"1h30m\" or \"250ms\"")
        }
        guard let number = Int64(String(decoding: digits, as: UTF8.self)) else { throw tooLongProblem }
        let letters = rest[digits.endIndex...].prefix { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !letters.isEmpty else {
            throw ValueProblem("has no unit; write \"\(text)s\" for seconds or \"\(text)ms\" for milliseconds")
        }
        rest = rest[letters.endIndex...]
        return (number, String(decoding: letters, as: UTF8.self))
    }

    private static func problem(withUnit unit: String, in text: String) -> ValueProblem {
        guard !units.contains(where: { $0.name == unit }) else {
            return ValueProblem("must name each unit once, the longest first, as in \"1h30m\"")
        }
        return ValueProblem("has the unknown unit \(unit.quoted); units are d, h, m, s and ms")
    }

    private static let tooLongProblem = ValueProblem("is longer than 292 years")
}
