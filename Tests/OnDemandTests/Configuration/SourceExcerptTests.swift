import Testing

@testable import OnDemand

struct SourceExcerptTests {
    private func excerpt(_ text: String, line: Int, column: Int) -> String {
        SourceExcerpt(Array(text.utf8)).at(TextPosition(line: line, column: column))
    }

    @Test("the mark is below the position, however many bytes and tabs come before it")
    func mark() {
        #expect(excerpt("{\n\t\"é\": 1\n}", line: 2, column: 7) == "  2 |  \"é\": 1\n    |       ^")
    }

    @Test("a line number of several digits moves the mark")
    func wideNumber() {
        let text = String(repeating: "\n", count: 11) + "abc"
        #expect(excerpt(text, line: 12, column: 3) == "  12 | abc\n     |   ^")
    }

    @Test("a position behind the last character of a line is marked there, and a carriage return is not shown")
    func endOfLine() {
        #expect(excerpt("{\r\n", line: 1, column: 2) == "  1 | {\n    |  ^")
        #expect(excerpt("", line: 1, column: 1) == "  1 | \n    | ^")
    }

    @Test("a position behind the end of the file has no excerpt")
    func behindTheEnd() {
        #expect(excerpt("{}", line: 2, column: 1) == "")
    }

    @Test("a very long line is shown around the position only, with the mark below it")
    func longLine() throws {
        let text = String(repeating: "a", count: 500) + "X" + String(repeating: "b", count: 500)
        let lines = excerpt(text, line: 1, column: 501).split(separator: "\n").map(Array.init)
        #expect(lines[0].count == SourceExcerpt.widthLimit + "  1 | ".count)
        let mark = try #require(lines[1].firstIndex(of: "^"))
        #expect(lines[0][mark] == "X")
    }

    @Test("every position of long lines with characters of several bytes is marked at its character")
    func longLinesOfSeveralBytes() throws {
        let pattern = "aé€🙂"
        let lines = ["", String(repeating: pattern, count: 400), "short", String(repeating: pattern, count: 777), ""]
        let excerpt = SourceExcerpt(Array(lines.joined(separator: "\r\n").utf8))
        for (number, line) in lines.enumerated() {
            let scalars = Array(line.unicodeScalars)
            for column in stride(from: 1, through: scalars.count, by: 7) {
                let shown = excerpt.at(TextPosition(line: number + 1, column: column)).split(separator: "\n")
                let mark = Array(shown[1].unicodeScalars).count - 1
                #expect(Array(shown[0].unicodeScalars)[mark] == scalars[column - 1], "line \(number + 1), \(column)")
            }
        }
    }

    @Test("control characters are not printed")
    func escapes() {
        #expect(
            !excerpt("\u{1B}[2J\u{202E}", line: 1, column: 1).unicodeScalars.contains {
                "\u{1B}\u{202E}".unicodeScalars.contains($0)
            })
    }
}
