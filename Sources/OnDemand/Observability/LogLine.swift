/// One event as one line: `key=value` for text and journal, an object for JSON (RFC 8259).
struct LogLine {
    let event: LogEvent
    let fields: [LogField]
    /// Formatted as `2026-11-21T08:15:55.123Z`.
    let time: String

    func rendered(as format: LogFormat, paint: ANSIStyle = .plain) -> [UInt8] {
        var line = ""
        switch format {
        case .auto, .text:
            let level = event.level.rawValue
            let margin = String(repeating: " ", count: 7 - level.count)
            line = "\(time) \(event.level.colour.map { paint($0, level) } ?? level)\(margin) \(event.rawValue)\(text)"
        case .journal:
            line = "<\(event.level.priority)>\(event.rawValue)\(text)"
        case .json:
            line = "{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\",\"event\":\"\(event.rawValue)\""
            for field in fields { line += ",\"\(field.name)\":\(Self.jsonValue(field.value))" }
            line += "}"
        }
        return Array(line.utf8) + [0x0a]
    }

    private var text: String { fields.map { " \($0.name)=\(Self.textValue($0.value))" }.joined() }

    private static func textValue(_ value: LogValue) -> String {
        switch value {
        case .number(let number): return String(number)
        case .text(let text):
            // Includes C1 control characters: U+009B starts a terminal command.
            let plain = text.unicodeScalars.allSatisfy { scalar in
                scalar.value > 0x20 && !(0x7f...0x9f).contains(scalar.value) && scalar != "\"" && scalar != "="
            }
            return plain && !text.isEmpty ? text : JSONText.quoted(text)
        }
    }

    private static func jsonValue(_ value: LogValue) -> String {
        switch value {
        case .number(let number): String(number)
        case .text(let text): JSONText.quoted(text)
        }
    }
}

extension LogLevel {
    fileprivate var colour: ANSIStyle.Colour? {
        switch self {
        case .error: .red
        case .warning: .yellow
        case .info: nil
        case .debug: .grey
        }
    }
}

/// Formats wall-clock times as RFC 3339 in UTC with milliseconds.
enum TimeText {
    static func utc(seconds: Int64, nanoseconds: Int64) -> String {
        let day = seconds.quotient(flooringBy: 86_400)
        let second = seconds - day * 86_400
        let (year, month, dayOfMonth) = civilDate(daysSince1970: day)
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
        let time = "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        return "\(date)T\(time).\(padded(nanoseconds / 1_000_000, 3))Z"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Computes in eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    private static func civilDate(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.quotient(flooringBy: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func quotient(flooringBy divisor: Int64) -> Int64 {
        (self >= 0 ? self : self - divisor + 1) / divisor
    }
}
