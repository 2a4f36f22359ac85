/// A piece of a buffer, as offsets: parsers return these because a span cannot be stored.
struct ByteRange: Hashable, Sendable {
    /// Narrow, because a head is made of these; no buffer here comes near four gigabytes.
    private let start: UInt32
    private let end: UInt32

    init(_ lower: Int, _ upper: Int) {
        precondition(0 <= lower && lower <= upper, "a byte range must not run backwards")
        start = UInt32(lower)
        end = UInt32(upper)
    }

    var lower: Int { Int(start) }
    var upper: Int { Int(end) }
    var count: Int { upper - lower }
    var isEmpty: Bool { lower == upper }
    var indices: Range<Int> { lower..<upper }
}
