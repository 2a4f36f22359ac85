/// Cuts a child's output into lines of bounded length, however the bytes arrive.
struct OutputLines {
    private var unfinished: [UInt8] = []

    /// The lines that these bytes complete; a line longer than the limit comes in pieces.
    mutating func take(_ bytes: Span<UInt8>) -> [String] {
        var lines: [String] = []
        for index in bytes.indices {
            guard bytes[index] != 0x0a else {
                lines.append(takeUnfinished())
                continue
            }
            unfinished.append(bytes[index])
            // One carriage return more may still turn out to be the end of the line.
            let excess = unfinished.count - Limits.outputLineBytes
            if excess > 1 || (excess == 1 && bytes[index] != 0x0d) { lines.append(takePiece()) }
        }
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
        defer { unfinished = [] }
        return String(decoding: unfinished, as: UTF8.self)
    }
}
