import Testing

@testable import OnDemand

struct OutputLinesTests {
    /// Returns the lines of a whole output, and the incomplete rest as one more.
    private func lines(_ pieces: [[UInt8]]) -> [String] {
        var output = OutputLines()
        var lines: [String] = []
        for piece in pieces { lines += output.take(piece.span) }
        return lines + (output.takeRest().map { [$0] } ?? [])
    }

    private func lines(_ text: String) -> [String] { lines([Array(text.utf8)]) }

    private let limit = Limits.outputLineBytes

    @Test("lines are the same however the bytes arrive")
    func splits() {
        let text = Array("one\r\n\ntwo \u{fc}\nthree\rfour\n\u{1f600}\nrest".utf8)
        for pieces in Splits.all(of: text) {
            #expect(lines(pieces) == ["one", "", "two \u{fc}", "three\rfour", "\u{1f600}", "rest"])
        }
    }

    @Test("an incomplete last line is returned on request, and only once")
    func unterminated() {
        var output = OutputLines()
        #expect(output.take(Array("a\nb".utf8).span) == ["a"])
        #expect(output.takeRest() == "b")
        #expect(output.takeRest() == nil)
    }

    @Test("one read can be split line by line, and its last lines are visible before")
    func lineByLine() {
        var output = OutputLines()
        output.add(Array("one\ntwo\nthr".utf8).span)
        #expect(output.next() == "one" && output.unreadCount == 7)
        output.add(Array("ee\nfour".utf8).span)
        #expect(output.lastLines(2) == ["three", "four"] && output.lastLines(9) == ["two", "three", "four"])
        #expect(output.next() == "two" && output.next() == "three" && output.next() == nil)
        #expect(output.unreadCount == 0 && output.lastLines(3) == ["four"] && output.takeRest() == "four")
        #expect(output.lastLines(3) == [])
    }

    @Test("an empty output has no line")
    func nothing() {
        #expect(lines("") == [])
        #expect(lines("\n") == [""])
    }

    @Test("a line beyond the limit comes in pieces of the limit, and none of it is lost")
    func longLine() {
        let text = String(repeating: "x", count: 3 * limit + 5)
        let pieces = lines(text + "\nnext\n")
        #expect(pieces.map(\.utf8.count) == [limit, limit, limit, 5, 4])
        #expect(pieces.dropLast().joined() == text)
    }

    @Test("a line exactly as long as the limit is one line", arguments: ["\n", "\r\n", ""])
    func exactlyTheLimit(ending: String) {
        let text = String(repeating: "x", count: limit)
        #expect(lines(text + ending) == [text])
        #expect(lines(text + text + ending) == [text, text])
        #expect(lines(text + "\n\nx\n") == [text, "", "x"])
    }

    @Test("a carriage return inside a long line does not end it")
    func carriageReturnAtTheCut() {
        let text = String(repeating: "x", count: limit - 1) + "\r" + "yz"
        #expect(lines(text).joined() == text)
    }

    @Test("a character is never split, wherever the limit is")
    func charactersAtTheCut() {
        for padding in 0..<4 {
            let text = String(repeating: "x", count: padding) + String(repeating: "\u{1f600}", count: limit)
            let pieces = lines(text + "\n")
            #expect(pieces.joined() == text)
            #expect(pieces.allSatisfy { $0.utf8.count <= limit })
        }
    }

    @Test("invalid UTF-8 is repaired within the limit")
    func invalid() {
        #expect(lines([[0x61, 0xff, 0x62, 0x0a]]) == ["a\u{fffd}b"])
        let junk = [UInt8](repeating: 0x80, count: 2 * limit + 1)
        #expect(lines([junk]).count == 3)
    }

    @Test("output without line ends keeps at most one piece in memory")
    func flood() {
        var output = OutputLines()
        var count = 0
        for _ in 0..<64 { count += output.take([UInt8](repeating: 0x78, count: 64 * 1024).span).count }
        #expect(count == 64 * 64 * 1024 / limit - 1)
        #expect(output.takeRest()?.utf8.count == limit)
    }
}
