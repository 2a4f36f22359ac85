import OnDemand

/// A queue of bytes: appended at the end, taken from the front.
struct ByteQueue {
    private var storage: [UInt8] = []
    private var start = 0

    var count: Int { storage.count - start }
    var isEmpty: Bool { count == 0 }
    var bytes: ArraySlice<UInt8> { storage[start...] }

    mutating func append(_ more: some Sequence<UInt8>) { storage.append(contentsOf: more) }

    mutating func append(_ text: String) { append(text.utf8) }

    /// Removes bytes. The rest moves only when it is the smaller half, so that many small pieces stay cheap.
    mutating func consume(_ count: Int) {
        precondition(count <= self.count, "more was taken than was there")
        start += count
        guard start >= storage.count - start else { return }
        storage.removeSubrange(..<start)
        start = 0
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes.prefix(count))
        consume(taken.count)
        return taken
    }

    /// Takes a line without its end. nil: incomplete.
    mutating func takeLine() -> [UInt8]? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = take(end - start + 1).dropLast()
        return Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }

    /// Returns the end of `pattern` from the front. `from` is the number of bytes already searched.
    func end(of pattern: [UInt8], from searched: Int) -> Int? {
        let first = max(0, searched - pattern.count + 1)
        guard count >= pattern.count, first <= count - pattern.count else { return nil }
        for offset in first...count - pattern.count
        where storage[start + offset] == pattern[0] && bytes.dropFirst(offset).starts(with: pattern) {
            return offset + pattern.count
        }
        return nil
    }

    var frameHeader: FrameHeader? { FrameHeader(storage.span, at: start) }
}
