/// A range of offsets in a buffer. Parsers return it because a span cannot be stored.
struct ByteRange: Hashable, Sendable {
    /// 32 bits, because heads consist of many ranges; buffers are far below 4 GiB.
    private let start: UInt32
    private let end: UInt32

    init(_ lower: Int, _ upper: Int) {
        precondition(0 <= lower && lower <= upper, "a byte range ends before it starts")
        start = UInt32(lower)
        end = UInt32(upper)
    }

    var lower: Int { Int(start) }
    var upper: Int { Int(end) }
    var count: Int { upper - lower }
    var isEmpty: Bool { lower == upper }
    var indices: Range<Int> { lower..<upper }
}
