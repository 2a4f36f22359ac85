/// One `path` of a route; segments are compared byte for byte, percent-encoding is kept.
struct PathPattern: Hashable, Sendable {
    enum Segment: Hashable, Sendable {
        case literal(String)
        /// `{name}`: exactly one non-empty segment.
        case placeholder(String)
    }

    let segments: [Segment]
    /// Whether it ends in `/*`: it also matches everything below, and the prefix itself.
    let isPrefix: Bool
    /// As written, for messages.
    let text: String
}

extension PathPattern {
    /// Parses a pattern. `/cable/` ends in an empty literal and differs from `/cable`; `/*` has no segments.
    init(parsing text: String) throws(PathPatternError) {
        guard text.utf8.first == UInt8(ascii: "/") else { throw .noLeadingSlash }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .notEncoded }
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let isPrefix = parts.last == "*"
        if isPrefix { parts.removeLast() }
        guard !(isPrefix ? parts[...] : parts.dropLast()).contains("") else { throw .emptySegment }
        var segments: [Segment] = []
        var names: Set<String> = []
        for part in parts {
            let segment = try Self.segment(String(part))
            if case .placeholder(let name) = segment, !names.insert(name).inserted { throw .repeatedPlaceholder(name) }
            segments.append(segment)
        }
        guard !PathSyntax.hasDotSegment(text.utf8Span.span) else { throw .dotSegment }
        self.init(segments: segments, isPrefix: isPrefix, text: text)
    }

    /// Returns a pattern of the daemon itself.
    static func fixed(_ text: StaticString) -> PathPattern {
        do { return try PathPattern(parsing: "\(text)") } catch { preconditionFailure("\(text): \(error)") }
    }

    private static func segment(_ part: String) throws(PathPatternError) -> Segment {
        if part.hasPrefix("{"), part.hasSuffix("}") {
            let name = String(part.dropFirst().dropLast())
            guard isName(name) else { throw .badPlaceholder }
            return .placeholder(name)
        }
        guard !part.utf8.contains(where: { "{}".utf8.contains($0) }) else { throw .badPlaceholder }
        guard !part.utf8.contains(UInt8(ascii: "*")) else { throw .misplacedStar }
        guard !part.utf8.contains(where: { "?#".utf8.contains($0) }) else { throw .queryOrFragment }
        guard part.utf8.allSatisfy(PathSyntax.isPathByte), PathSyntax.hasWholeEscapes(part) else { throw .notEncoded }
        return .literal(part)
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !isDigit(first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            default: byte == UInt8(ascii: "_") || isDigit(byte)
            }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

extension PathPattern {
    /// The pattern without placeholder names. Two patterns of one shape match the same paths; of two shapes that match
    /// a path, one has the more specific segment first.
    var shape: String {
        let parts = segments.map { segment in
            switch segment {
            case .literal(let text): "/" + text
            case .placeholder: "/{}"
            }
        }
        return parts.joined() + (isPrefix ? "/*" : "")
    }

    /// Returns whether the raw path without query matches, as `RouteTable` decides.
    func matches(_ path: Span<UInt8>) -> Bool {
        guard path.count > 0, path[0] == UInt8(ascii: "/"), !PathSyntax.hasDotSegment(path) else { return false }
        var start = 0
        for segment in segments {
            guard start < path.count else { return false }
            var end = start + 1
            while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
            guard Self.fits(segment, path.extracting((start + 1)..<end)) else { return false }
            start = end
        }
        return isPrefix || start == path.count
    }

    private static func fits(_ segment: Segment, _ bytes: Span<UInt8>) -> Bool {
        switch segment {
        case .placeholder: return !bytes.isEmpty
        case .literal(let text):
            let wanted = text.utf8Span.span
            guard wanted.count == bytes.count else { return false }
            for index in bytes.indices where bytes[index] != wanted[index] { return false }
            return true
        }
    }

    /// Returns whether a path exists for which neither pattern is more specific.
    func overlaps(_ other: PathPattern) -> Bool { shape == other.shape }
}

/// Why a text is not a pattern; the sentence continues after the text.
enum PathPatternError: Error, Equatable {
    case noLeadingSlash
    case emptySegment
    case dotSegment
    case misplacedStar
    case queryOrFragment
    case notEncoded
    case badPlaceholder
    case repeatedPlaceholder(String)

    var sentence: String {
        switch self {
        case .noLeadingSlash: "does not begin with a slash"
        case .emptySegment: "has two slashes in a row"
        case .dotSegment: "has a \".\" or \"..\" segment, which is never routed"
        case .misplacedStar: "has a star that is not the whole last segment, as in /api/*"
        case .queryOrFragment: "has a query or a fragment; routes compare paths only"
        case .notEncoded: "has a character that a request's path cannot have; write it percent-encoded"
        case .badPlaceholder: "has braces that are not a whole segment with a name in them, as in /regions/{region}"
        case .repeatedPlaceholder(let name): "has the placeholder {\(name)} twice"
        }
    }
}
