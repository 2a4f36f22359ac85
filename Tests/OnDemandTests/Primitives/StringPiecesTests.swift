import Testing

@testable import OnDemand

struct StringPiecesTests {
    @Test("the pieces between separators, empty ones too")
    func pieces() {
        #expect("".pieces(between: "{x}") == [""])
        #expect("abc".pieces(between: "{x}") == ["abc"])
        #expect("{x}".pieces(between: "{x}") == ["", ""])
        #expect("a{x}b{x}{x}c".pieces(between: "{x}") == ["a", "b", "", "c"])
        #expect("{{x}}{x".pieces(between: "{x}") == ["{", "}{x"])
        #expect("aaa".pieces(between: "aa") == ["", "a"], "an occurrence takes its letters with it")
        #expect("grün".pieces(between: "ü") == ["gr", "n"])
        #expect("grūn 🚆 ü".pieces(between: "ü") == ["grūn 🚆 ", ""])
    }

    @Test("replaced text is not searched again")
    func replacing() {
        #expect("$$".replacing("$", by: "$$") == "$$$$")
        #expect("-p {port} {port}".replacing("{port}", by: "80") == "-p 80 80")
    }
}
