/// An IP address as a number. IPv4 addresses are stored as IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2), so one host
/// has one value.
struct IPAddress: Hashable, Sendable {
    let number: UInt128

    init(number: UInt128) { self.number = number }

    /// From 4 or 16 octets in network order; nil for other counts.
    init?(octets: [UInt8]) {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        let number = octets.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        self.number = octets.count == 4 ? Self.mapped | number : number
    }

    var isIPv4: Bool { number >> 32 == Self.mapped >> 32 }

    private static let mapped: UInt128 = 0xffff_0000_0000

    /// Appends the text: dotted for IPv4, RFC 5952 for IPv6.
    func write(to output: inout [UInt8]) {
        guard !isIPv4 else {
            for place in 0..<4 {
                if place > 0 { output.append(UInt8(ascii: ".")) }
                output.appendDecimal(Int(number >> UInt128(24 - 8 * place) & 0xff))
            }
            return
        }
        let gap = longestZeros
        var place = 0
        while place < 8 {
            if place == gap.lowerBound, !gap.isEmpty {
                output.append(UInt8(ascii: ":"))
                output.append(UInt8(ascii: ":"))
                place = gap.upperBound
                continue
            }
            if place > 0, place != gap.upperBound || gap.isEmpty { output.append(UInt8(ascii: ":")) }
            Self.writeHexadecimal(group(place), to: &output)
            place += 1
        }
    }

    var text: String {
        var text: [UInt8] = []
        write(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private func group(_ place: Int) -> UInt16 { UInt16(truncatingIfNeeded: number >> UInt128(112 - 16 * place)) }

    /// The first of the longest runs of at least two zero groups.
    private var longestZeros: Range<Int> {
        var longest = 0..<0
        var start = 0
        for place in 0...8 where place == 8 || group(place) != 0 {
            if place - start > max(longest.count, 1) { longest = start..<place }
            start = place + 1
        }
        return longest
    }

    private static func writeHexadecimal(_ group: UInt16, to output: inout [UInt8]) {
        var isBegun = false
        for place in 0..<4 {
            let digit = UInt8(group >> UInt16(12 - 4 * place) & 0xf)
            isBegun = isBegun || digit > 0 || place == 3
            if isBegun { output.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10) }
        }
    }
}

// MARK: - Text

extension IPAddress {
    /// Parses either family without allocation; nil for other texts.
    init?(_ text: ByteRange, in bytes: Span<UInt8>) {
        if let four = Self.ipv4(text, in: bytes) {
            number = Self.mapped | UInt128(four)
        } else if let sixteen = Self.ipv6(text, in: bytes) {
            number = sixteen
        } else {
            return nil
        }
    }

    /// Parses four decimal numbers. Rejects leading zeros, which some parsers read as octal (RFC 6943, 3.1.1).
    private static func ipv4(_ text: ByteRange, in bytes: Span<UInt8>) -> UInt32? {
        guard (7...15).contains(text.count) else { return nil }
        var number: UInt32 = 0
        var (octet, digits, dots): (UInt32, Int, Int) = (0, 0, 0)
        for index in text.indices {
            let byte = bytes[index]
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                number = number << 8 | octet
                (octet, digits, dots) = (0, 0, dots + 1)
                continue
            }
            guard (0x30...0x39).contains(byte), digits == 0 || octet > 0 else { return nil }
            octet = octet * 10 + UInt32(byte - 0x30)
            digits += 1
            guard octet <= 0xff else { return nil }
        }
        return dots == 3 && digits > 0 ? number << 8 | octet : nil
    }

    /// Parses eight groups, with one `::` for zero groups and possibly IPv4 in the last two (RFC 4291, 2.2).
    private static func ipv6(_ text: ByteRange, in bytes: Span<UInt8>) -> UInt128? {
        guard (2...45).contains(text.count) else { return nil }
        var (number, groups): (UInt128, Int) = (0, 0)
        var gap: Int?
        var index = text.lower
        if bytes[index] == UInt8(ascii: ":") {
            guard bytes[index + 1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            index += 2
        }
        while index < text.upper {
            let start = index
            var group: UInt128 = 0
            while index < text.upper, let digit = hexadecimal(bytes[index]) {
                group = group << 4 | UInt128(digit)
                index += 1
            }
            if index < text.upper, bytes[index] == UInt8(ascii: ".") {
                guard groups <= 6, let four = ipv4(ByteRange(start, text.upper), in: bytes) else { return nil }
                number = number << 32 | UInt128(four)
                groups += 2
                break
            }
            guard (1...4).contains(index - start), groups < 8 else { return nil }
            number = number << 16 | group
            groups += 1
            guard index < text.upper else { break }
            guard bytes[index] == UInt8(ascii: ":"), index + 1 < text.upper else { return nil }
            index += 1
            if bytes[index] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = groups
                index += 1
            }
        }
        guard let gap else { return groups == 8 ? number : nil }
        guard groups < 8 else { return nil }
        let back = UInt128(16 * (groups - gap))
        return (number >> back) << UInt128(128 - 16 * gap) | number & ((1 << back) - 1)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
