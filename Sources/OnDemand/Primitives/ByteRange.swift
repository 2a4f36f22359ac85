/// A piece of a buffer, as offsets: parsers return these because a span cannot be stored.
struct ByteRange: Hashable, Sendable {
    let lower: Int
    let upper: Int

    init(_ lower: Int, _ upper: Int) {
        precondition(0 <= lower && lower <= upper, "a byte range must not run backwards")
        self.lower = lower
        self.upper = upper
    }

    var count: Int { upper - lower }
    var isEmpty: Bool { lower == upper }
    var indices: Range<Int> { lower..<upper }
}
