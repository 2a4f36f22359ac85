/// Cuts a child's output into lines of bounded length, however the bytes arrive.
struct OutputLines {
    private var unfinished: [UInt8] = []

    /// The lines that these bytes complete; a line longer than the limit comes in pieces.
    mutating func take(_ bytes: Span<UInt8>) -> [String] {
        var lines: [String] = []
        for index in bytes.indices {
            let byte = bytes[index]
            if byte != 0x0a { unfinished.append(byte) }
            if byte == 0x0a || unfinished.count == Limits.outputLineBytes { lines.append(takeUnfinished()) }
        }
        return lines
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
