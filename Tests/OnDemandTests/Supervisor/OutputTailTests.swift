import Testing

@testable import OnDemand

@Suite struct OutputTailTests {
    @Test("the last lines are kept, up to a number")
    func lines() {
        var tail = OutputTail()
        for number in 1...500 { tail.add("\(number)\n") }
        #expect(tail.lines.count == Limits.keptOutputLines)
        #expect(tail.lines.first == "301\n" && tail.lines.last == "500\n")
    }

    @Test("long lines are limited in bytes, too")
    func bytes() {
        var tail = OutputTail()
        let line = String(repeating: "é", count: 1000)
        for _ in 1...100 { tail.add(line) }
        #expect(tail.lines.count == Limits.keptOutputBytes / 2000)
    }

    @Test("the recent output consists of the last lines of the process itself, up to a number")
    func recentOutput() {
        var tail = OutputTail()
        #expect(tail.recentOutput == [])
        for number in 1...30 { tail.add("\(number)\n") }
        #expect(tail.recentOutput.count == Limits.failureOutputLines)
        #expect(tail.recentOutput.first == "11" && tail.recentOutput.last == "30")
        tail.beginGeneration()
        #expect(tail.recentOutput == [])
        tail.add("no line end")
        tail.add("\n")
        #expect(tail.recentOutput == ["no line end", ""])
    }

    @Test("the recent output is limited in bytes, and contains the last generation only")
    func lastWordBytes() {
        var tail = OutputTail()
        for _ in 1...300 { tail.add("an earlier life\n") }
        tail.beginGeneration()
        let line = String(repeating: "x", count: 1000) + "\n"
        for _ in 1...10 { tail.add(line) }
        #expect(tail.recentOutput.count == Limits.failureOutputBytes / 1001)
        tail.add(String(repeating: "y", count: 2 * Limits.failureOutputBytes))
        #expect(tail.recentOutput == [])
    }

    @Test("control characters are escaped")
    func controls() {
        #expect("a\u{1b}[2Jb\u{9b}c\td".withoutControls == "a\\u001b[2Jb\\u009bc\td")
        #expect("grüße".withoutControls == "grüße")
    }
}
