/// Numbers with a fixed number of places, for tables and JSON.
enum DecimalText {
    /// Saturates where a sum of megabytes and hours would not be believed anyhow.
    static func of(_ value: Double, places: Int) -> String {
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((max(0, min(value, 1e12)) * Double(scale)).rounded())
        guard places > 0 else { return "\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}

extension [UInt8] {
    /// A number that is not negative, for who writes bytes and needs no text.
    mutating func appendDecimal(_ number: Int) {
        precondition(number >= 0, "a sign was not thought of")
        if number >= 10 { appendDecimal(number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
