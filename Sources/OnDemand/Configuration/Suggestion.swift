/// Finds a similar word: `did you mean "idle_timeout"?`
public enum Suggestion {
    /// Returns the end of a sentence; empty where no candidate is similar.
    public static func sentence(for word: String, among candidates: [String]) -> String {
        guard let nearest = nearest(to: word, among: candidates) else { return "" }
        return "; did you mean \(nearest.quoted)?"
    }

    /// Returns the nearest candidate; only letters and digits are compared, so that `idle-timeout` matches
    /// `idle_timeout`.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let meant = letters(of: word)
        guard !meant.isEmpty else { return nil }
        let ranked = candidates.map { (candidate: $0, distance: distance(from: meant, to: letters(of: $0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        let wanted = letters(of: best.candidate)
        // Allow one difference in three letters.
        if best.distance <= max(1, max(meant.count, wanted.count) / 3) { return best.candidate }
        return candidates.first { meant.count >= 3 && letters(of: $0).starts(with: meant) }
    }

    private static func letters(of word: String) -> [UInt8] {
        // Limit the length: the distance costs the product of both.
        Array(word.lowercased().utf8.filter { !"_- .".utf8.contains($0) }.prefix(64))
    }

    /// Returns the edit distance: letters added, removed, replaced or swapped with their neighbour.
    private static func distance(from word: [UInt8], to other: [UInt8]) -> Int {
        var rows = [Array(0...other.count)]
        for (index, letter) in word.enumerated() {
            var row = [index + 1]
            for (column, otherLetter) in other.enumerated() {
                let replaced = rows[index][column] + (letter == otherLetter ? 0 : 1)
                var cost = min(rows[index][column + 1] + 1, row[column] + 1, replaced)
                if index > 0, column > 0, letter == other[column - 1], word[index - 1] == otherLetter {
                    cost = min(cost, rows[index - 1][column - 1] + 1)
                }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[word.count][other.count]
    }
}
