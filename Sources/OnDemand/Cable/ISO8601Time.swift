/// Reads times as Ruby's `iso8601` writes them: `2030-01-01T00:00:00.000Z`, or with an offset such as `+02:00`.
enum ISO8601Time {
    /// Seconds since 1970, the fraction cut off; nil for any other text.
    static func seconds(of text: [UInt8]) -> Int? {
        guard text.count >= 20, let year = number(text[0..<4]), let month = number(text[5..<7]),
            let day = number(text[8..<10]), let hour = number(text[11..<13]), let minute = number(text[14..<16]),
            let second = number(text[17..<19]),
            separators.allSatisfy({ text[$0.key] == $0.value }),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var zone = text[19...]
        if zone.first == UInt8(ascii: ".") {
            let fraction = zone.dropFirst().prefix { HexDigit.value(of: $0).map { $0 < 10 } ?? false }
            guard !fraction.isEmpty else { return nil }
            zone = zone[fraction.endIndex...]
        }
        guard let offset = offset(zone) else { return nil }
        return ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset
    }

    private static let separators: [Int: UInt8] = [
        4: UInt8(ascii: "-"), 7: UInt8(ascii: "-"), 10: UInt8(ascii: "T"), 13: UInt8(ascii: ":"),
        16: UInt8(ascii: ":"),
    ]

    /// In seconds.
    private static func offset(_ zone: ArraySlice<UInt8>) -> Int? {
        if zone.elementsEqual([UInt8(ascii: "Z")]) { return 0 }
        let start = zone.startIndex
        guard zone.count == 6, let sign = zone.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"),
            zone[start + 3] == UInt8(ascii: ":"), let hours = number(zone[start + 1..<start + 3]),
            let minutes = number(zone[start + 4..<start + 6]), hours < 24, minutes < 60
        else { return nil }
        let seconds = (hours * 60 + minutes) * 60
        return sign == UInt8(ascii: "+") ? seconds : -seconds
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var number = 0
        for byte in digits {
            guard let digit = HexDigit.value(of: byte), digit < 10 else { return nil }
            number = number * 10 + Int(digit)
        }
        return number
    }

    /// Of the Gregorian calendar. Years are taken to begin in March, so that a leap day is the last day of one.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let (shiftedYear, shiftedMonth) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        let leapDays = shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400
        // 719,468 days lie between 1 March of year 0 and 1 January 1970.
        return shiftedYear * 365 + leapDays + (153 * shiftedMonth + 2) / 5 + day - 1 - 719_468
    }
}
