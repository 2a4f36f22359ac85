/// Bytes on their way out that the socket would not take yet; holds no memory while it is empty.
struct ByteQueue: Equatable {
    private var bytes: [UInt8] = []
    /// Narrow, because every connection keeps two queues; what is queued is a few reads at most.
    private var consumed: UInt32 = 0

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count - Int(consumed) }

    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(Int(consumed)..<bytes.count))
    }

    mutating func append(_ more: ArraySlice<UInt8>) {
        guard !more.isEmpty else { return }
        // What has left takes no room, even in a queue that is never quite empty.
        bytes.removeFirst(Int(consumed))
        consumed = 0
        bytes += more
    }

    /// Most often there is nothing yet, and then not a byte is copied.
    mutating func append(_ more: [UInt8]) {
        if bytes.isEmpty { bytes = more } else { append(more[...]) }
    }

    /// A piece of a body, as it travels on.
    mutating func append(_ piece: BodyPiece, of bytes: ArraySlice<UInt8>) {
        switch piece {
        case .read(let range): append(bytes[(bytes.startIndex + range.lower)...].prefix(range.count))
        case .written(let queued): append(queued)
        }
    }

    /// The first `count` bytes are gone.
    mutating func removeFirst(_ count: Int) {
        precondition(count <= self.count, "more left a queue than was in it")
        consumed += UInt32(count)
        if consumed == bytes.count { removeAll() }
    }

    mutating func takeAll() -> [UInt8] {
        bytes.removeFirst(Int(consumed))
        defer { removeAll() }
        return bytes
    }

    mutating func removeAll() {
        bytes = []
        consumed = 0
    }
}

extension BodyReader {
    /// How many of these bytes belong to the body; what travels on of them is in the queue then.
    mutating func pass(_ bytes: ArraySlice<UInt8>, to queue: inout ByteQueue) throws(FramingError) -> Int {
        try consume(bytes.span) { queue.append($0, of: bytes) }
    }
}
