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

    @Test("what would command a terminal is written out")
    func controls() {
        #expect("a\u{1b}[2Jb\u{9b}c\td".withoutControls == "a\\u001b[2Jb\\u009bc\td")
        #expect("grüße".withoutControls == "grüße")
    }
}
