/// One `path` of a route: segments compared byte for byte, percent-encoding untouched.
struct PathPattern: Hashable, Sendable {
    enum Segment: Hashable, Sendable {
        case literal(String)
        /// `{name}`: exactly one non-empty segment, whatever it says.
        case placeholder(String)
    }

    let segments: [Segment]
    /// Ends in `/*`: also matches everything below, and the prefix itself.
    let isPrefix: Bool
    /// As written, for messages.
    let text: String
}
