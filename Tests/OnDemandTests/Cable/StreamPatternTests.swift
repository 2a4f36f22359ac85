import Testing

@testable import OnDemand

struct StreamPatternTests {
    @Test(
        "a star matches any bytes, every other byte itself",
        arguments: [
            ("live-scores-*", ["live-scores-1", "live-scores-", "live-scores-*", "live-scores-a-b/c:d"], true),
            ("live-scores-*", ["live-scores", "Live-scores-1", "xlive-scores-1", ""], false),
            ("*", ["a", "*", "\u{1F600}"], true),
            ("a*b*c", ["abc", "axbxc", "abbcbc", "a*b*c", "abcbc"], true),
            ("a*b*c", ["ab", "abcd", "acb", "bac"], false),
            ("**a**", ["a", "xax", "aa"], true), ("**a**", ["b", "xyz"], false),
            ("chat.1?[a]", ["chat.1?[a]"], true), ("chat.1?[a]", ["chatx1?[a]", "chat.12a", "chat.1?a"], false),
            ("*\u{e9}", ["caf\u{e9}"], true), ("*\u{e9}", ["cafe\u{301}", "cafe"], false),
        ])
    func matching(pattern: String, names: [String], isMatch: Bool) {
        let pattern = StreamPattern(pattern)
        for name in names { #expect(pattern.matches(Array(name.utf8)) == isMatch, "\(name)") }
    }

    @Test("seeded patterns agree with a slow matcher", arguments: 0..<200 as Range<UInt64>)
    func differential(seed: UInt64) {
        var random = Seeded(seed: seed)
        for _ in 0..<50 {
            let text = { (letters: String, limit: Int) in
                String(
                    (0..<Int.random(in: 0...limit, using: &random)).map { _ in letters.randomElement(using: &random)! })
            }
            let pattern = text("ab*", 7)
            let name = text("ab*", 9)
            let expected = Self.slowMatch(Array(pattern.utf8)[...], Array(name.utf8)[...])
            #expect(StreamPattern(pattern).matches(Array(name.utf8)) == expected, "\(pattern) \(name)")
        }
    }

    private static func slowMatch(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return name.isEmpty }
        if first == UInt8(ascii: "*") {
            return (name.startIndex...name.endIndex).contains { slowMatch(pattern.dropFirst(), name[$0...]) }
        }
        return name.first == first && slowMatch(pattern.dropFirst(), name.dropFirst())
    }

    @Test("many stars against a long name take linear time")
    func hostile() {
        let pattern = StreamPattern(String(repeating: "a*", count: 200) + "b")
        #expect(!pattern.matches([UInt8](repeating: UInt8(ascii: "a"), count: 1024)))
    }

    @Test("public streams are none, all, or a list; empty, long and reserved names never are")
    func publicStreams() {
        let list = PublicStreams.matching([StreamPattern("live-*"), StreamPattern("news")])
        #expect(list.allow(Array("live-1".utf8)) && list.allow(Array("news".utf8)) && !list.allow(Array("new".utf8)))
        #expect(PublicStreams.all.allow(Array("any:thing".utf8)) && !PublicStreams.none.allow(Array("news".utf8)))
        let everything = PublicStreams.matching([StreamPattern("*")])
        let refused = [
            "", String(repeating: "a", count: 1025), "__anycable__", "__anycable_internal__", "_action_cable_internal",
            "action_cable/", "action_cable/Z2lkOi8vYXBwL1VzZXIvMQ",
        ]
        for name in refused {
            #expect(!PublicStreams.all.allow(Array(name.utf8)) && !everything.allow(Array(name.utf8)), "\(name)")
        }
        for name in [String(repeating: "a", count: 1024), "action_cable", "__anycable__x", "x__anycable__", "a\0b"] {
            #expect(PublicStreams.all.allow(Array(name.utf8)) && everything.allow(Array(name.utf8)), "\(name)")
        }
    }
}
