import Testing

@testable import OnDemand

struct TerminalTests {
    private func terminal(_ isTerminal: Bool, _ environment: [String: String]) -> Terminal {
        Terminal(isTerminal: isTerminal, environment: environment)
    }

    @Test("colours are used on a terminal unless its user or its type excludes them")
    func colours() {
        #expect(terminal(true, [:]).paint == .colours)
        #expect(terminal(true, ["NO_COLOR": "", "TERM": "xterm-256color"]).paint == .colours)
        #expect(terminal(true, ["NO_COLOR": "1"]).paint == .plain)
        #expect(terminal(true, ["TERM": "dumb"]).paint == .plain)
        #expect(terminal(false, ["TERM": "xterm"]).paint == .plain)
        #expect(Terminal.none.paint == .plain && !Terminal.none.canRewrite)
    }

    @Test("a line is rewritten on every terminal: that is independent of colours")
    func rewriting() {
        #expect(terminal(true, ["NO_COLOR": "1"]).canRewrite)
        #expect(!terminal(true, ["TERM": "dumb"]).canRewrite && !terminal(false, [:]).canRewrite)
    }

    @Test("a style surrounds a text, or is absent")
    func paint() {
        #expect(ANSIStyle.colours(.red, "no") == "\u{1b}[31mno\u{1b}[0m")
        #expect(ANSIStyle.plain(.red, "no") == "no")
    }
}
