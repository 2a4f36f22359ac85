/// The last lines that a backend printed, for an operator who asks; bounded in lines and in bytes.
struct OutputTail {
    private(set) var lines: [String] = []
    private var byteCount = 0
    /// How many of them the current process has printed.
    private var linesOfThisGeneration = 0

    mutating func add(_ line: String) {
        lines.append(line)
        linesOfThisGeneration += 1
        byteCount += line.utf8.count
        while lines.count > Limits.keptOutputLines || byteCount > Limits.keptOutputBytes {
            byteCount -= lines.removeFirst().utf8.count
        }
    }

    /// What is printed from here on is another process's.
    mutating func beginGeneration() { linesOfThisGeneration = 0 }

    /// What the current process said last, without line ends: what explains a failure.
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
