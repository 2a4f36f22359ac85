/// Formats numbers with a fixed number of decimal places, for tables and JSON.
enum DecimalText {
    /// Saturates at the largest 64-bit value.
    static func of(_ value: Double, places: Int) -> String {
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((max(0, min(value, 1e12)) * Double(scale)).rounded())
        guard places > 0 else { return "\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}

extension [UInt8] {
    /// Appends a non-negative number as ASCII digits.
    mutating func appendDecimal(_ number: Int) {
        precondition(number >= 0, "negative numbers are not supported")
        if number >= 10 { appendDecimal(number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
