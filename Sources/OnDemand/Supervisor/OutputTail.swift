/// The last lines of a backend's output, limited by lines and bytes.
struct OutputTail {
    private(set) var lines: [String] = []
    private var byteCount = 0
    /// Lines printed by the current process.
    private var linesOfThisGeneration = 0

    mutating func add(_ line: String) {
        lines.append(line)
        linesOfThisGeneration += 1
        byteCount += line.utf8.count
        while lines.count > Limits.keptOutputLines || byteCount > Limits.keptOutputBytes {
            byteCount -= lines.removeFirst().utf8.count
        }
    }

    /// Marks the start of another process's output.
    mutating func beginGeneration() { linesOfThisGeneration = 0 }

    /// The last lines of the current process without line ends, for a failure report.
    var recentOutput: [String] {
        var words: [String] = []
        var room = Limits.failureOutputBytes
        for line in lines.suffix(min(linesOfThisGeneration, Limits.failureOutputLines)).reversed() {
            room -= line.utf8.count
            guard room >= 0 else { break }
            words.append(line.hasSuffix("\n") ? String(line.dropLast()) : line)
        }
        return words.reversed()
    }
}
