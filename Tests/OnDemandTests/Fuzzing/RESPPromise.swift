@testable import OnDemand

/// Replies of a Redis server are the same in whatever pieces they come, and those of a slow reader that has them whole.
enum RESPProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let whole = Verdict(cuts.bytes, endingAt: [cuts.bytes.count])
        let pieces = Verdict(cuts.bytes, endingAt: cuts.ends)
        try promise(whole == pieces, "whole: \(whole), in pieces: \(pieces)")

        var reference = ReferenceRESP(cuts.bytes)
        let (replies, error) = reference.readAll()
        try promise(whole.replies == replies, "\(whole), but the reference reads \(replies)")
        try promise(whole.error == error, "\(whole), but the reference ends in \(String(describing: error))")

        // Written again, they are the same.
        let written = replies.flatMap(ReferenceRESP.written)
        let again = Verdict(written, endingAt: [written.count])
        try promise(again.replies == replies && again.error == nil, "\(text(written)) reads as \(again)")
        try promise(!again.isInside, "\(text(written)) is not complete")
    }

    private struct Verdict: Equatable {
        var replies: [RESPValue] = []
        var error: RESPError?
        var isInside = false

        init(_ bytes: [UInt8], endingAt ends: [Int]) {
            var parser = RESPParser()
            var begin = 0
            do throws(RESPError) {
                for end in ends {
                    try parser.feed(bytes.span.extracting(begin..<end)) { replies.append($0) }
                    begin = end
                }
                isInside = parser.isInsideReply
            } catch {
                self.error = error
            }
        }
    }
}

/// The same by recursion over bytes that are all there.
struct ReferenceRESP {
    /// Not an error of the protocol: the bytes end too early.
    private enum Stop: Error {
        case incomplete
        case invalid(RESPError)
    }

    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func readAll() -> (replies: [RESPValue], error: RESPError?) {
        var replies: [RESPValue] = []
        do throws(Stop) {
            while index < bytes.count { replies.append(try value(depth: 0)) }
            return (replies, nil)
        } catch {
            if case .invalid(let error) = error { return (replies, error) }
            return (replies, nil)
        }
    }

    private mutating func value(depth: Int) throws(Stop) -> RESPValue {
        guard index < bytes.count else { throw .incomplete }
        guard "+-:$*".utf8.contains(bytes[index]) else { throw .invalid(.unknownType(bytes[index])) }
        let line = try self.line()
        let content = line.dropFirst()
        let number = Int(String(decoding: content, as: UTF8.self))
        switch line[0] {
        case UInt8(ascii: "+"): return .status(Array(content))
        case UInt8(ascii: "-"): return .error(Array(content))
        case UInt8(ascii: ":"):
            guard let number else { throw .invalid(.invalidNumber) }
            return .integer(number)
        case UInt8(ascii: "$"):
            guard let length = number, length >= -1, content.first != UInt8(ascii: "+") else {
                throw .invalid(.invalidNumber)
            }
            guard length >= 0 else { return .string(nil) }
            guard length <= Limits.redisReplyBytes - 512 else { throw .invalid(.replyTooLong) }
            return .string(try string(length))
        default:
            guard let length = number, length >= -1, content.first != UInt8(ascii: "+") else {
                throw .invalid(.invalidNumber)
            }
            guard length >= 0 else { return .array(nil) }
            guard length > 0 else { return .array([]) }
            guard length <= Limits.redisArrayItems else { throw .invalid(.tooManyItems) }
            guard depth < Limits.redisArrayDepth else { throw .invalid(.tooDeep) }
            var items: [RESPValue] = []
            for _ in 0..<length { items.append(try value(depth: depth + 1)) }
            return .array(items)
        }
    }

    /// Up to its carriage return and line feed, of which neither may stand alone.
    private mutating func line() throws(Stop) -> [UInt8] {
        let rest = bytes[index...]
        guard let end = rest.firstIndex(where: { $0 == 0x0d || $0 == 0x0a }) else { throw .incomplete }
        guard bytes[end] == 0x0d else { throw .invalid(.invalidLineEnd) }
        guard end + 1 < bytes.count else { throw .incomplete }
        guard bytes[end + 1] == 0x0a else { throw .invalid(.invalidLineEnd) }
        index = end + 2
        return Array(rest[..<end])
    }

    private mutating func string(_ length: Int) throws(Stop) -> [UInt8] {
        let end = index + length
        guard end < bytes.count else { throw .incomplete }
        guard bytes[end] == 0x0d else { throw .invalid(.invalidLineEnd) }
        guard end + 1 < bytes.count else { throw .incomplete }
        guard bytes[end + 1] == 0x0a else { throw .invalid(.invalidLineEnd) }
        defer { index = end + 2 }
        return Array(bytes[index..<end])
    }

    static func written(_ value: RESPValue) -> [UInt8] {
        let line = { (type: String, content: [UInt8]) in Array(type.utf8) + content + [0x0d, 0x0a] }
        switch value {
        case .status(let text): return line("+", text)
        case .error(let text): return line("-", text)
        case .integer(let number): return line(":", Array("\(number)".utf8))
        case .string(nil): return line("$-1", [])
        case .string(let content?): return line("$", Array("\(content.count)".utf8)) + content + [0x0d, 0x0a]
        case .array(nil): return line("*-1", [])
        case .array(let items?): return line("*", Array("\(items.count)".utf8)) + items.flatMap(written)
        }
    }
}
