/// Parses numeric addresses; a static executable has no name service.
enum IPAddressText {
    /// Parses four decimal numbers. Rejects leading zeros, which some parsers read as octal (RFC 6943, 3.1.1).
    static func ipv4(_ text: String) -> [UInt8]? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let octets = parts.compactMap { part -> UInt8? in
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0"),
                part.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
            else { return nil }
            return UInt8(String(decoding: part, as: UTF8.self))
        }
        return parts.count == 4 && octets.count == 4 ? octets : nil
    }

    /// Parses eight groups, with one `::` for zero groups and possibly IPv4 in the last two (RFC 4291, 2.2).
    static func ipv6(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        let colon = UInt8(ascii: ":")
        let gap = bytes.indices.dropLast().first { bytes[$0] == colon && bytes[$0 + 1] == colon }
        guard let gap else {
            guard let octets = groups(bytes[...], mayEndInIPv4: true), octets.count == 16 else { return nil }
            return octets
        }
        let tail = bytes[(gap + 2)...]
        guard let front = bytes[..<gap].isEmpty ? [] : groups(bytes[..<gap], mayEndInIPv4: false),
            let back = tail.isEmpty ? [] : groups(tail, mayEndInIPv4: true),
            front.count + back.count <= 14
        else { return nil }
        return front + Array(repeating: 0, count: 16 - front.count - back.count) + back
    }

    /// Returns the octets of colon-separated groups.
    private static func groups(_ text: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var octets: [UInt8] = []
        for (index, part) in parts.enumerated() {
            let text = String(decoding: part, as: UTF8.self)
            if mayEndInIPv4, index == parts.count - 1, let four = ipv4(text) {
                octets += four
                continue
            }
            guard (1...4).contains(part.count), part.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let group = UInt16(text, radix: 16)
            else { return nil }
            octets += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return octets
    }
}
