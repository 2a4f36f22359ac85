// Searches in texts without the standard library's regular expressions, which would add 1.3 MB.

extension String {
    /// Returns the texts between occurrences of a non-empty separator.
    func pieces(between separator: String) -> [Substring] {
        precondition(!separator.isEmpty, "the separator is empty")
        var pieces: [Substring] = []
        var start = startIndex
        var index = start
        while index < endIndex {
            if utf8[index...].starts(with: separator.utf8) {
                pieces.append(self[start..<index])
                index = utf8.index(index, offsetBy: separator.utf8.count)
                start = index
            } else {
                index = utf8.index(after: index)
            }
        }
        return pieces + [self[start...]]
    }

    func replacing(_ text: String, by other: String) -> String { pieces(between: text).joined(separator: other) }
}
