@testable import OnDemand

/// A slow decoder of chunked bodies that has all the bytes before it and reads them line by line (RFC 9112, 7.1). It
/// writes each line again, in the canonical form.
struct ReferenceChunks {
    enum Verdict: Equatable {
        case ended(at: Int, written: [UInt8])
        case unfinished
        case refused(String)
    }

    private struct Refusal: Error { let why: String }
    private struct NotYet: Error {}

    static func read(_ bytes: [UInt8], _ limits: BodyLimits) -> Verdict {
        var reader = ReferenceChunks(rest: bytes[...], limits: limits)
        do {
            while try reader.chunk() {}
            try reader.trailers()
            return .ended(at: reader.rest.startIndex, written: reader.written)
        } catch let refusal as Refusal {
            return .refused(refusal.why)
        } catch {
            return .unfinished
        }
    }

    private var rest: ArraySlice<UInt8>
    private let limits: BodyLimits
    private var content: UInt64 = 0
    private var extensions = 0
    private var written: [UInt8] = []

    private init(rest: ArraySlice<UInt8>, limits: BodyLimits) {
        (self.rest, self.limits) = (rest, limits)
    }

    /// Reads one chunk; false after the last.
    private mutating func chunk() throws -> Bool {
        let text = rest.prefix { HTTPByte.hexadecimal($0) != nil }
        let zeros = text.prefix { $0 == UInt8(ascii: "0") }.count
        let digits = text.dropFirst(zeros)
        var beside = max(0, zeros - 1)
        guard beside <= limits.maximumExtensionBytes else { throw Refusal(why: "zeros") }
        guard digits.count <= BodyLimits.maximumChunkSizeDigits else { throw Refusal(why: "digits") }
        rest = rest.dropFirst(text.count)
        guard !rest.isEmpty else { throw NotYet() }
        guard !text.isEmpty else { throw Refusal(why: "no digit") }
        let blanks = try blanks(&beside)
        guard let delimiter = rest.first else { throw NotYet() }
        if delimiter == UInt8(ascii: ";") {
            rest = rest.dropFirst()
            try chunkExtension(&beside)
        } else if blanks > 0, limits.sender == .client {
            throw Refusal(why: "blanks before the end of the line")
        }
        try expect("\r\n")
        let size = digits.reduce(UInt64(0)) { $0 * 16 + UInt64(HTTPByte.hexadecimal($1) ?? 0) }
        written += digits.isEmpty ? [UInt8(ascii: "0")] : Array(digits)
        written += [13, 10]
        guard size > 0 else { return false }
        content += size
        if let maximum = limits.maximumBytes, content > maximum { throw Refusal(why: "too large") }
        guard UInt64(rest.count) >= size else { throw NotYet() }
        written += rest.prefix(Int(size))
        rest = rest.dropFirst(Int(size))
        try expect("\r\n")
        written += [13, 10]
        return true
    }

    private mutating func blanks(_ beside: inout Int) throws -> Int {
        let count = rest.prefix { $0 == 32 || $0 == 9 }.count
        try spend(count, &beside)
        rest = rest.dropFirst(count)
        return count
    }

    private mutating func spend(_ count: Int, _ beside: inout Int) throws {
        beside += count
        extensions += count
        guard beside <= limits.maximumExtensionBytes, extensions <= limits.maximumTotalExtensionBytes else {
            throw Refusal(why: "extensions")
        }
    }

    /// From behind the semicolon to the CR, which it leaves.
    private mutating func chunkExtension(_ beside: inout Int) throws {
        if limits.sender == .client { return try strictExtensions(&beside) }
        _ = try blanks(&beside)
        let name = rest.prefix(while: isText)
        if let first = name.first, !HTTPByte.isToken(first) { throw Refusal(why: "an extension's name") }
        try spend(name.count, &beside)
        rest = rest.dropFirst(name.count)
        if name.isEmpty, !rest.isEmpty { throw Refusal(why: "an extension without a name") }
    }

    /// What the line has so far must begin a list of extensions, and be one once its end is there.
    private mutating func strictExtensions(_ beside: inout Int) throws {
        let line = rest.prefix(while: isText)
        let isWhole = try Self.isWholeList(line)
        try spend(line.count, &beside)
        rest = rest.dropFirst(line.count)
        if !isWhole, !rest.isEmpty { throw Refusal(why: "an extension that is not whole") }
    }

    private static func isWholeList(_ line: ArraySlice<UInt8>) throws -> Bool {
        var line = line
        func skip(_ isPart: (UInt8) -> Bool) -> Int {
            let count = line.prefix(while: isPart).count
            line = line.dropFirst(count)
            return count
        }
        while true {
            _ = skip(HTTPByte.isWhitespace)
            if line.isEmpty { return false }
            guard skip(HTTPByte.isToken) > 0 else { throw Refusal(why: "an extension's name") }
            var blanks = skip(HTTPByte.isWhitespace)
            if line.first == UInt8(ascii: "=") {
                line = line.dropFirst()
                _ = skip(HTTPByte.isWhitespace)
                if line.isEmpty { return false }
                if line.first == UInt8(ascii: "\"") {
                    line = line.dropFirst()
                    while line.first != UInt8(ascii: "\"") {
                        line = line.dropFirst(line.first == UInt8(ascii: "\\") ? 2 : 1)
                        if line.isEmpty { return false }
                    }
                    line = line.dropFirst()
                } else if skip(HTTPByte.isToken) == 0 {
                    throw Refusal(why: "an extension's value")
                }
                blanks = skip(HTTPByte.isWhitespace)
            }
            guard let next = line.first else { return blanks == 0 }
            guard next == UInt8(ascii: ";") else { throw Refusal(why: "text behind an extension") }
            line = line.dropFirst()
        }
    }

    private mutating func trailers() throws {
        var bytes = 0
        var fields = 0
        while true {
            let lineEnd = rest.firstIndex { !isText($0) } ?? rest.endIndex
            let line = rest[..<lineEnd]
            let colon = line.firstIndex(of: UInt8(ascii: ":"))
            var name = line[..<(colon ?? line.endIndex)]
            let token = name.prefix(while: HTTPByte.isToken)
            if limits.sender == .backend, name[token.endIndex...].allSatisfy(HTTPByte.isWhitespace) { name = token }
            if !line.isEmpty {
                fields += 1
                guard name.allSatisfy(HTTPByte.isToken), !name.isEmpty else { throw Refusal(why: "a name") }
                if colon != nil, rule(of: name) == .refused { throw Refusal(why: "a forbidden name") }
                guard fields <= limits.maximumTrailerFields else { throw Refusal(why: "fields") }
            }
            let terminator = rest[lineEnd...].prefix(2)
            let counted = line.isEmpty ? terminator.prefix(1).count : line.count + terminator.count
            guard bytes + counted <= limits.maximumTrailerBytes else { throw Refusal(why: "trailer bytes") }
            if !line.isEmpty, colon == nil, !terminator.isEmpty { throw Refusal(why: "no colon") }
            rest = rest[lineEnd...]
            try expect("\r\n")
            bytes += line.count + 2
            if line.isEmpty {
                written += [13, 10]
                return
            }
            if rule(of: name) == .passes, let colon { written += Array(name) + Array(line[colon...]) + [13, 10] }
        }
    }

    private mutating func expect(_ text: String) throws {
        for byte in text.utf8 {
            guard let next = rest.first else { throw NotYet() }
            guard next == byte else { throw Refusal(why: "not \(text.debugDescription)") }
            rest = rest.dropFirst()
        }
    }

    private func isText(_ byte: UInt8) -> Bool { HTTPByte.isText(byte) }

    private func rule(of name: ArraySlice<UInt8>) -> TrailerRule {
        let folded = String(decoding: name, as: UTF8.self).lowercased().replacing("_", with: "-")
        if TrailerRule.essential.contains(folded) { return limits.sender == .client ? .refused : .dropped }
        let isOwn = TrailerRule.own.contains(folded) || TrailerRule.ownPrefixes.contains { folded.hasPrefix($0) }
        return isOwn || limits.removedTrailers.contains(Array(folded.utf8)) ? .dropped : .passes
    }
}
