/// The last lines that a backend printed, for an operator who asks; bounded in lines and in bytes.
struct OutputTail {
    private(set) var lines: [String] = []
    private var byteCount = 0

    mutating func add(_ line: String) {
        lines.append(line)
        byteCount += line.utf8.count
        while lines.count > Limits.keptOutputLines || byteCount > Limits.keptOutputBytes {
            byteCount -= lines.removeFirst().utf8.count
        }
    }
}
