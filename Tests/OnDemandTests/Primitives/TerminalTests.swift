import Testing

@testable import OnDemand

struct TerminalTests {
    private func terminal(_ isTerminal: Bool, _ environment: [String: String]) -> Terminal {
        Terminal(isTerminal: isTerminal, environment: environment)
    }

    @Test("colours are for a terminal, and not for one whose user or whose kind wants none")
    func colours() {
        #expect(terminal(true, [:]).paint == .colours)
        #expect(terminal(true, ["NO_COLOR": "", "TERM": "xterm-256color"]).paint == .colours)
        #expect(terminal(true, ["NO_COLOR": "1"]).paint == .plain)
        #expect(terminal(true, ["TERM": "dumb"]).paint == .plain)
        #expect(terminal(false, ["TERM": "xterm"]).paint == .plain)
        #expect(Terminal.none.paint == .plain && !Terminal.none.canRewrite)
    }

    @Test("a line is written anew wherever that can be seen: that is no colour")
    func rewriting() {
        #expect(terminal(true, ["NO_COLOR": "1"]).canRewrite)
        #expect(!terminal(true, ["TERM": "dumb"]).canRewrite && !terminal(false, [:]).canRewrite)
    }

    @Test("paint goes around a text and ends behind it, or is not there at all")
    func paint() {
        #expect(ANSIStyle.colours(.red, "no") == "\u{1b}[31mno\u{1b}[0m")
        #expect(ANSIStyle.plain(.red, "no") == "no")
    }
}
