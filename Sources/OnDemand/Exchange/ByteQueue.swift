/// Bytes that the socket has not accepted yet; holds no memory while it is empty.
struct ByteQueue: Equatable {
    private var bytes: [UInt8] = []
    /// 32 bits, because every connection has two queues and each holds at most a few reads.
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
        // Release the memory of sent bytes, also in a queue that is never quite empty.
        bytes.removeFirst(Int(consumed))
        consumed = 0
        bytes += more
    }

    /// Appends bytes; copies nothing where the queue is empty.
    mutating func append(_ more: [UInt8]) {
        if bytes.isEmpty { bytes = more } else { append(more[...]) }
    }

    /// Appends a piece of a body in the framing of the outgoing message.
    mutating func append(_ piece: BodyPiece, of bytes: ArraySlice<UInt8>) {
        switch piece {
        case .read(let range): append(bytes[(bytes.startIndex + range.lower)...].prefix(range.count))
        case .written(let queued): append(queued)
        }
    }

    /// Removes the first `count` bytes, which have been sent.
    mutating func removeFirst(_ count: Int) {
        precondition(count <= self.count, "removed more bytes than the queue holds")
        consumed += UInt32(count)
        if consumed == bytes.count { removeAll() }
    }

    mutating func takeAll() -> [UInt8] {
        bytes.removeFirst(Int(consumed))
        defer { removeAll() }
        return bytes
    }

    /// The same for bytes that hold a secret: they are overwritten first.
    mutating func wipe() {
        for index in bytes.indices { bytes[index] = 0 }
        removeAll()
    }

    mutating func removeAll() {
        bytes = []
        consumed = 0
    }
}

extension BodyReader {
    /// Returns how many of these bytes belong to the body, and appends what has to be forwarded of them to the queue.
    mutating func pass(_ bytes: ArraySlice<UInt8>, to queue: inout ByteQueue) throws(FramingError) -> Int {
        try consume(bytes.span) { queue.append($0, of: bytes) }
    }
}
