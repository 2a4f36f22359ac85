@testable import OnDemand

/// The scanner of messages accepts what the reader of files accepts, and finds the same values in it; two leniencies
/// are meant (`JSONScanner`).
enum ScannerProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        try checkVerdict(of: input)
        try checkMembers(of: input)
    }

    static func checkVerdict(of input: [UInt8]) throws(Violation) {
        let slice: JSONSlice?
        do throws(JSONScanError) {
            slice = try JSONScanner.value(of: input.span, depthLimit: JSONReader.depthLimit)
        } catch {
            try promise((0...input.count).contains(error.offset), "\(error) lies outside: \(text(input))")
            slice = nil
        }
        let (value, isExact) = reference(input)
        try promise((slice != nil) == (value != nil), "scanner \(slice != nil), reader \(value != nil): \(text(input))")
        if let slice, let value, isExact { try compare(slice, value, in: input) }
    }

    /// The members and items that are handed out are those that the reader finds, in their order and to the last byte.
    private static func compare(_ slice: JSONSlice, _ value: JSONValue, in input: [UInt8]) throws(Violation) {
        let written = Array(input[slice.range.indices])
        switch value.content {
        case .null: try promise(slice.kind == .null && written == Array("null".utf8), "no null: \(text(written))")
        case .boolean(let isTrue):
            try promise(
                slice.kind == .boolean && written == Array("\(isTrue)".utf8), "not \(isTrue): \(text(written))")
        case .number(let number):
            try promise(slice.kind == .number && written == Array(number.text.utf8), "digits: \(text(written))")
        case .string(let content): try compare(slice, string: Array(content.utf8), in: input)
        case .array(let items):
            var found: [JSONSlice] = []
            JSONScanner.forEachItem(of: slice, in: input.span) { found.append($0) }
            try promise(slice.kind == .array && found.count == items.count, "\(found.count) items: \(text(written))")
            for (item, expected) in zip(found, items) { try compare(item, expected, in: input) }
        case .object(let members):
            var found: [(key: JSONSlice, value: JSONSlice)] = []
            try? JSONScanner.forEachMember(of: slice, in: input.span) { found.append(($0, $1)) }
            try promise(
                slice.kind == .object && found.count == members.count, "\(found.count) members: \(text(written))")
            for (member, expected) in zip(found, members) {
                try compare(member.key, string: Array(expected.key.utf8), in: input)
                try compare(member.value, expected.value, in: input)
            }
        }
    }

    private static func compare(_ slice: JSONSlice, string: [UInt8], in input: [UInt8]) throws(Violation) {
        try promise(slice.string(in: input.span) == string, "another string: \(text(string))")
        try promise(slice.isString(string, in: input.span), "no equal of its own content: \(text(string))")
        try promise(!slice.isString(string + [0], in: input.span), "equal to more than its content: \(text(string))")
    }

    /// Finding the members while the text is being checked is the same as checking first.
    private static func checkMembers(of input: [UInt8]) throws(Violation) {
        let whole = Result { () throws(JSONScanError) in try JSONScanner.value(of: input.span) }
        var members: [[JSONSlice]] = []
        do throws(JSONScanError) {
            try JSONScanner.forEachMember(of: input.span) { members.append([$0, $1]) }
        } catch {
            let isExpected =
                switch whole {
                case .success(let slice): error.reason == .notAnObject && slice.kind != .object
                case .failure(let expected): error == expected
                }
            return try promise(isExpected, "\(error) instead of \(whole): \(text(input))")
        }
        guard case .success(let slice) = whole else { throw Violation("members of \(whole): \(text(input))") }
        var again: [[JSONSlice]] = []
        try? JSONScanner.forEachMember(of: slice, in: input.span) { again.append([$0, $1]) }
        try promise(members == again, "other members the second time: \(text(input))")
    }

    /// What the reader says, once half surrogate pairs are written as letters; then the value is another one.
    private static func reference(_ input: [UInt8]) -> (value: JSONValue?, isExact: Bool) {
        do throws(JSONError) {
            return (try JSONReader.read(input, duplicateKeys: .kept), true)
        } catch {
            guard case .loneSurrogate = error.reason else { return (nil, true) }
            return (try? JSONReader.read(withoutSurrogates(input), duplicateKeys: .kept), false)
        }
    }

    /// `\ud800` to `\udfff` become `\u0041`. Behind an escaped backslash this changes letters, which is as good.
    private static func withoutSurrogates(_ input: [UInt8]) -> [UInt8] {
        var output = input
        for start in input.indices.dropLast(5)
        where input[start] == UInt8(ascii: "\\") && input[start + 1] == UInt8(ascii: "u") {
            let isSurrogate = input[start + 2] | 0x20 == UInt8(ascii: "d") && "89abAB".utf8.contains(input[start + 3])
            let isLow = input[start + 2] | 0x20 == UInt8(ascii: "d") && "cdefCDEF".utf8.contains(input[start + 3])
            let areDigits = input[start + 4..<start + 6].allSatisfy { HexDigit.value(of: $0) != nil }
            if (isSurrogate || isLow) && areDigits { output.replaceSubrange(start + 2..<start + 6, with: "0041".utf8) }
        }
        return output
    }
}
