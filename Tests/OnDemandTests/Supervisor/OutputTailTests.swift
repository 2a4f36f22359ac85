import Testing

@testable import OnDemand

@Suite struct OutputTailTests {
    @Test("the last lines are kept, and no more than so many")
    func lines() {
        var tail = OutputTail()
        for number in 1...500 { tail.add("\(number)\n") }
        #expect(tail.lines.count == Limits.keptOutputLines)
        #expect(tail.lines.first == "301\n" && tail.lines.last == "500\n")
    }

    @Test("long lines are fewer: the bytes are bounded too")
    func bytes() {
        var tail = OutputTail()
        let line = String(repeating: "é", count: 1000)
        for _ in 1...100 { tail.add(line) }
        #expect(tail.lines.count == Limits.keptOutputBytes / 2000)
    }

    @Test("a process's last words are the last lines that it printed itself, and no more than so many")
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

    @Test("last words are bounded in bytes, and of several lives only the last one counts")
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

    @Test("what would command a terminal is written out")
    func controls() {
        #expect("a\u{1b}[2Jb\u{9b}c\td".withoutControls == "a\\u001b[2Jb\\u009bc\td")
        #expect("grüße".withoutControls == "grüße")
    }
}
