/// Cuts a child's output into lines of bounded length, however the bytes arrive.
///
/// Bytes are handed over at once and taken out line by line, so that a read with very many lines can wait for later
/// turns.
struct OutputLines {
    private var unfinished: [UInt8] = []
    private var unread: [UInt8] = []
    private var position = 0

    /// Bytes that have been handed over and not been looked at.
    var unreadCount: Int { unread.count - position }

    mutating func add(_ bytes: Span<UInt8>) {
        if position == unread.count {
            unread.removeAll(keepingCapacity: true)
            position = 0
        }
        unread.reserveCapacity(unread.count + bytes.count)
        for index in bytes.indices { unread.append(bytes[index]) }
    }

    /// The next line that is complete, or a piece of a line that is longer than the limit; nil when there is none.
    mutating func next() -> String? {
        while position < unread.count {
            let byte = unread[position]
            position += 1
            guard byte != 0x0a else { return takeUnfinished() }
            unfinished.append(byte)
            // One carriage return more may still turn out to be the end of the line.
            let excess = unfinished.count - Limits.outputLineBytes
            if excess > 1 || (excess == 1 && byte != 0x0d) { return takePiece() }
        }
        // A child that has been quiet since its flood holds no memory for it.
        if !unread.isEmpty {
            unread = []
            position = 0
        }
        return nil
    }

    /// The lines that these bytes complete; a line longer than the limit comes in pieces.
    mutating func take(_ bytes: Span<UInt8>) -> [String] {
        add(bytes)
        var lines: [String] = []
        while let line = next() { lines.append(line) }
        return lines
    }

    /// As much as the limit allows without cutting a character in two (RFC 3629, 3).
    private mutating func takePiece() -> String {
        let limit = Limits.outputLineBytes
        let cut = (limit - 3...limit).last { unfinished[$0] & 0xc0 != 0x80 } ?? limit
        defer { unfinished.removeFirst(cut) }
        return String(decoding: unfinished[..<cut], as: UTF8.self)
    }

    /// What the child printed last without ending the line; nil when there is nothing.
    mutating func takeRest() -> String? {
        unfinished.isEmpty ? nil : takeUnfinished()
    }

    private mutating func takeUnfinished() -> String {
        if unfinished.last == 0x0d { unfinished.removeLast() }
        defer { unfinished.removeAll(keepingCapacity: unfinished.count <= 256) }
        return String(decoding: unfinished, as: UTF8.self)
    }

    /// The last lines of what is unread, at most so many; what is unread stays so.
    func lastLines(_ count: Int) -> [String] {
        var rest = self
        var begin = unread.count
        var lines = 0
        while begin > position, lines <= count, unread.count - begin < count * Limits.outputLineBytes {
            begin -= 1
            if unread[begin] == 0x0a { lines += 1 }
        }
        // Behind a line's end nothing is unfinished.
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
