/// Splits a child's output into lines of bounded length, however the bytes arrive.
///
/// Bytes are added at once and taken line by line, so that a read with many lines can be processed over several turns.
struct OutputLines {
    private var unfinished: [UInt8] = []
    private var unread: [UInt8] = []
    private var position = 0

    /// Bytes added and not yet split.
    var unreadCount: Int { unread.count - position }

    mutating func add(_ bytes: Span<UInt8>) {
        if position == unread.count {
            unread.removeAll(keepingCapacity: true)
            position = 0
        }
        unread.reserveCapacity(unread.count + bytes.count)
        for index in bytes.indices { unread.append(bytes[index]) }
    }

    /// Returns the next complete line, or a piece of a line that exceeds the limit. nil: none.
    mutating func next() -> String? {
        while position < unread.count {
            let byte = unread[position]
            position += 1
            guard byte != 0x0a else { return takeUnfinished() }
            unfinished.append(byte)
            // A carriage return beyond the limit may be part of the line end.
            let excess = unfinished.count - Limits.outputLineBytes
            if excess > 1 || (excess == 1 && byte != 0x0d) { return takePiece() }
        }
        // Free the memory after a burst of output.
        if !unread.isEmpty {
            unread = []
            position = 0
        }
        return nil
    }

    /// Adds bytes and returns all lines that they complete. A line that exceeds the limit comes in pieces.
    mutating func take(_ bytes: Span<UInt8>) -> [String] {
        add(bytes)
        var lines: [String] = []
        while let line = next() { lines.append(line) }
        return lines
    }

    /// Cuts at the limit without splitting a UTF-8 character (RFC 3629, 3).
    private mutating func takePiece() -> String {
        let limit = Limits.outputLineBytes
        let cut = (limit - 3...limit).last { unfinished[$0] & 0xc0 != 0x80 } ?? limit
        defer { unfinished.removeFirst(cut) }
        return String(decoding: unfinished[..<cut], as: UTF8.self)
    }

    /// Returns the last line without a line end. nil: none.
    mutating func takeRest() -> String? {
        unfinished.isEmpty ? nil : takeUnfinished()
    }

    private mutating func takeUnfinished() -> String {
        if unfinished.last == 0x0d { unfinished.removeLast() }
        defer { unfinished.removeAll(keepingCapacity: unfinished.count <= 256) }
        return String(decoding: unfinished, as: UTF8.self)
    }

    /// Returns the last `count` lines of the unread bytes without consuming them.
    func lastLines(_ count: Int) -> [String] {
        var rest = self
        var begin = unread.count
        var lines = 0
        while begin > position, lines <= count, unread.count - begin < count * Limits.outputLineBytes {
            begin -= 1
            if unread[begin] == 0x0a { lines += 1 }
        }
        // After a line end nothing is unfinished.
        if begin > position, unread[begin] == 0x0a {
            rest.position = begin + 1
            rest.unfinished = []
        }
        var last: [String] = []
        while let line = rest.next() { last.append(line) }
        if let line = rest.takeRest() { last.append(line) }
        return last.suffix(count)
    }
}
