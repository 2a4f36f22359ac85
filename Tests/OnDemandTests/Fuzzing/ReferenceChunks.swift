@testable import OnDemand

/// A slow decoder of chunked bodies that has all the bytes before it and reads them line by line (RFC 9112, 7.1).
struct ReferenceChunks {
    enum Verdict: Equatable {
        case ended(at: Int)
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
            return .ended(at: reader.rest.startIndex)
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

    private init(rest: ArraySlice<UInt8>, limits: BodyLimits) {
        (self.rest, self.limits) = (rest, limits)
    }

    /// Reads one chunk; false after the last.
    private mutating func chunk() throws -> Bool {
        let digits = rest.prefix { HTTPByte.hexadecimal($0) != nil }
        guard digits.count <= BodyLimits.maximumChunkSizeDigits else { throw Refusal(why: "digits") }
        rest = rest.dropFirst(digits.count)
        guard let delimiter = rest.first else { throw NotYet() }
        guard !digits.isEmpty else { throw Refusal(why: "no digit") }
        if delimiter == UInt8(ascii: ";") {
            rest = rest.dropFirst()
            try chunkExtension()
        }
        try expect("\r\n")
        let size = digits.reduce(UInt64(0)) { $0 * 16 + UInt64(HTTPByte.hexadecimal($1) ?? 0) }
        guard size > 0 else { return false }
        content += size
        if let maximum = limits.maximumBytes, content > maximum { throw Refusal(why: "too large") }
        guard UInt64(rest.count) >= size else { throw NotYet() }
        rest = rest.dropFirst(Int(size))
        try expect("\r\n")
        return true
    }

    /// From behind the semicolon to the CR, which it leaves.
    private mutating func chunkExtension() throws {
        let name = rest.prefix(while: isText)
        let allowed = min(limits.maximumExtensionBytes, limits.maximumTotalExtensionBytes - extensions)
        if let first = name.first, !HTTPByte.isToken(first) { throw Refusal(why: "an extension's name") }
        guard name.count <= allowed else { throw Refusal(why: "extensions") }
        extensions += name.count
        rest = rest.dropFirst(name.count)
        if name.isEmpty, !rest.isEmpty { throw Refusal(why: "an extension without a name") }
    }

    private mutating func trailers() throws {
        var bytes = 0
        var fields = 0
        while true {
            let lineEnd = rest.firstIndex { !isText($0) } ?? rest.endIndex
            let line = rest[..<lineEnd]
            let colon = line.firstIndex(of: UInt8(ascii: ":"))
            let name = line[..<(colon ?? line.endIndex)]
            if !line.isEmpty {
                fields += 1
                guard name.allSatisfy(HTTPByte.isToken), !name.isEmpty else { throw Refusal(why: "a name") }
                if colon != nil, isForbidden(name) { throw Refusal(why: "a forbidden name") }
                guard fields <= limits.maximumTrailerFields else { throw Refusal(why: "fields") }
            }
            let terminator = rest[lineEnd...].prefix(2)
            let counted = line.isEmpty ? terminator.prefix(1).count : line.count + terminator.count
            guard bytes + counted <= limits.maximumTrailerBytes else { throw Refusal(why: "trailer bytes") }
            if !line.isEmpty, colon == nil, !terminator.isEmpty { throw Refusal(why: "no colon") }
            rest = rest[lineEnd...]
            try expect("\r\n")
            bytes += line.count + 2
            if line.isEmpty { return }
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

    private func isForbidden(_ name: ArraySlice<UInt8>) -> Bool {
        let folded = String(decoding: name, as: UTF8.self).lowercased().replacing("_", with: "-")
        return TrailerName.forbidden.contains(folded)
    }
}
