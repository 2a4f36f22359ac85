/// Reads the replies of a Redis server (RESP2) as they arrive, in any pieces.
///
/// A reply is a tree whose leaves are lines and strings. The parser is always in one place of it: in a line, in the
/// bytes of a string, or in the line end behind them; above it are the arrays that are not complete. Every byte is
/// looked at once, and a length that is announced reserves nothing.
///
/// After an error the parser is done: the stream has no point at which it could go on.
struct RESPParser {
    private enum Place {
        /// In a line, which begins with its type.
        case line
        /// So many bytes of the string are missing.
        case string(missing: Int)
        /// Behind a string; so many bytes of its line end are missing.
        case stringEnd(missing: Int)
        case failed(RESPError)
    }

    private struct OpenArray {
        var missing: Int
        var items: [RESPValue] = []
    }

    private var place = Place.line
    /// The line so far, without its end; a carriage return that may be its end is in it.
    private var line: [UInt8] = []
    private var string: [UInt8] = []
    private var openArrays: [OpenArray] = []
    /// Of the reply so far.
    private var replyBytes = 0

    /// Whether a reply has begun and is not complete.
    var isInsideReply: Bool { replyBytes > 0 }

    /// Calls `receive` with each reply that is complete.
    mutating func feed(_ bytes: Span<UInt8>, _ receive: (RESPValue) -> Void) throws(RESPError) {
        var index = 0
        do throws(RESPError) {
            while index < bytes.count {
                switch place {
                case .line: index = try readLine(bytes, from: index, receive)
                case .string(let missing): index = try readString(bytes, from: index, missing: missing)
                case .stringEnd(let missing):
                    let expected: UInt8 = missing == 2 ? 0x0d : 0x0a
                    guard bytes[index] == expected else { throw .invalidLineEnd }
                    index += 1
                    place = .stringEnd(missing: missing - 1)
                    if missing == 1 { finish(.string(takeString()), receive) }
                case .failed(let error): throw error
                }
            }
        } catch {
            self = RESPParser()
            place = .failed(error)
            throw error
        }
    }

    // MARK: Lines

    private mutating func readLine(
        _ bytes: Span<UInt8>, from start: Int, _ receive: (RESPValue) -> Void
    ) throws(RESPError) -> Int {
        for index in start..<bytes.count {
            let byte = bytes[index]
            if line.isEmpty, !Self.types.contains(byte) { throw .unknownType(byte) }
            if line.last == 0x0d {
                guard byte == 0x0a else { throw .invalidLineEnd }
                line.removeLast()
                try interpret(receive)
                return index + 1
            }
            guard byte != 0x0a else { throw .invalidLineEnd }
            guard line.count <= Limits.redisLineBytes else { throw .lineTooLong }
            line.append(byte)
            try count(1)
        }
        return bytes.count
    }

    private static let types = Array("+-:$*".utf8)

    /// The line is complete.
    private mutating func interpret(_ receive: (RESPValue) -> Void) throws(RESPError) {
        let type = line[0]
        guard type != UInt8(ascii: "+"), type != UInt8(ascii: "-") else {
            let text = Array(line.dropFirst())
            line = []
            return finish(type == UInt8(ascii: "+") ? .status(text) : .error(text), receive)
        }
        let hasPlus = line.count > 1 && line[1] == UInt8(ascii: "+")
        let number = Self.number(line.dropFirst())
        line.removeAll(keepingCapacity: true)
        guard let number else { throw .invalidNumber }
        guard type != UInt8(ascii: ":") else { return finish(.integer(number), receive) }
        // A length; -1 stands for "there is none".
        guard number >= -1, !hasPlus else { throw .invalidNumber }
        if type == UInt8(ascii: "$") {
            guard number >= 0 else { return finish(.string(nil), receive) }
            guard number <= Limits.redisReplyBytes - replyBytes else { throw .replyTooLong }
            place = number > 0 ? .string(missing: number) : .stringEnd(missing: 2)
        } else {
            guard number > 0 else { return finish(.array(number == 0 ? [] : nil), receive) }
            guard number <= Limits.redisArrayItems else { throw .tooManyItems }
            guard openArrays.count < Limits.redisArrayDepth else { throw .tooDeep }
            openArrays.append(OpenArray(missing: number))
        }
    }

    /// A sign and digits, within 64 bits.
    private static func number(_ text: ArraySlice<UInt8>) -> Int? {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative || text.first == UInt8(ascii: "+") ? text.dropFirst() : text
        guard !digits.isEmpty else { return nil }
        var number = 0
        for byte in digits {
            guard byte &- UInt8(ascii: "0") < 10 else { return nil }
            let digit = Int(byte - UInt8(ascii: "0"))
            let (tens, tooLarge) = number.multipliedReportingOverflow(by: 10)
            let (next, overflow) = tens.addingReportingOverflow(isNegative ? -digit : digit)
            guard !tooLarge, !overflow else { return nil }
            number = next
        }
        return number
    }

    // MARK: Strings

    private mutating func readString(
        _ bytes: Span<UInt8>, from start: Int, missing: Int
    ) throws(RESPError) -> Int {
        let end = start + min(missing, bytes.count - start)
        string.append(copying: bytes.extracting(start..<end))
        try count(end - start)
        let rest = missing - (end - start)
        place = rest > 0 ? .string(missing: rest) : .stringEnd(missing: 2)
        return end
    }

    private mutating func takeString() -> [UInt8] {
        defer { string = [] }
        return string
    }

    // MARK: Arrays

    /// A value is complete: a reply, or an item that may complete the arrays around it.
    private mutating func finish(_ value: RESPValue, _ receive: (RESPValue) -> Void) {
        place = .line
        var value = value
        while var array = openArrays.popLast() {
            array.items.append(value)
            array.missing -= 1
            guard array.missing == 0 else { return openArrays.append(array) }
            value = .array(array.items)
        }
        replyBytes = 0
        receive(value)
    }

    private mutating func count(_ bytes: Int) throws(RESPError) {
        replyBytes += bytes
        guard replyBytes <= Limits.redisReplyBytes else { throw .replyTooLong }
    }
}
