/// Finds the word somebody meant: `did you mean "idle_timeout"?`
public enum Suggestion {
    /// The end of a sentence: empty when no candidate is near.
    public static func sentence(for word: String, among candidates: [String]) -> String {
        guard let nearest = nearest(to: word, among: candidates) else { return "" }
        return "; did you mean \(nearest.quoted)?"
    }

    /// `idleTimeout` and `idle-timeout` are `idle_timeout` to a human, so only letters and digits are compared.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let meant = letters(of: word)
        guard !meant.isEmpty else { return nil }
        let ranked = candidates.map { (candidate: $0, distance: distance(from: meant, to: letters(of: $0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        let wanted = letters(of: best.candidate)
        // One slip in three letters is a slip; more is another word.
        if best.distance <= max(1, max(meant.count, wanted.count) / 3) { return best.candidate }
        return candidates.first { meant.count >= 3 && letters(of: $0).starts(with: meant) }
    }

    private static func letters(of word: String) -> [UInt8] {
        // A very long key is no slip of the hand, and the distance costs the product of both lengths.
        Array(word.lowercased().utf8.filter { !"_- .".utf8.contains($0) }.prefix(64))
    }

    /// How many letters must be added, dropped, replaced or swapped with their neighbour.
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
