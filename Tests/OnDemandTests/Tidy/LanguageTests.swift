import Foundation
import Testing

/// The language of the project: the subject of a sentence is a thing of the system, and one term has one meaning.
///
/// Comments and literals of Swift files, documents and Python files are searched. Swift code is not: an identifier is
/// reviewed with its declaration. One regular expression holds all bans, each in a group of its own, so that a file is
/// scanned once and the group of a match gives its advice. No file and no finding is exempt.
struct LanguageTests {
    /// A pattern that prose must not contain, and the advice of its message. A pattern has no capturing group.
    private struct Ban {
        let pattern: String
        let advice: String

        init(_ pattern: String, _ advice: String) {
            (self.pattern, self.advice) = (pattern, advice)
        }
    }

    private struct Finding {
        /// Counted from one.
        let line: Int
        let text: String
        let advice: String
    }

    /// Start of a line, with its marks of a comment, list, table or quotation; or the end of the sentence before.
    private static let opening = #"(?:^[ \t/*#>|"-]*|[.!?:;|] +)"#
    /// Start of a literal. Titles of tests and error texts begin in lower case.
    private static let literal = #"^#*"+"#
    private static let noQuestion = #"\b(?![^.\n]*\?)"#

    /// In pieces, so that this file does not contain the words that it bans.
    private static let bans = [
        Ban(
            #"\b(?:who"# + #"ever|some"# + #"body|no"# + #"body|every"# + #"body)\b"#, "the client, request or process"),
        Ban(opening + "(?-i:W" + "ho|What" + " is|What" + " are)" + noQuestion, "a noun or an imperative verb first"),
        Ban(literal + "(?:w" + "ho|what" + " is|what" + " are)" + noQuestion, "a noun or a verb first"),
        Ban(opening + "(?-i:Tho" + "se) (?:who|that|of)" + noQuestion, "the noun itself first"),
        Ban(#"\bstran"# + #"gers?\b"#, "foreign listener, foreign process, untrusted peer"),
        Ban(#"\b(?:good"# + #"bye|fare"# + #"well)s?\b"#, "close frame, close handshake"),
        Ban(#"\btak(?:e|es|ing) lea"# + #"ve\b"#, "close tunnels"),
        Ban(#"\bturn(?:s|ed|ing)? aw"# + #"ay\b"#, "reject"),
        Ban(#"\bpati"# + #"ence\b"#, "timeout"),
        Ban(#"\bhouse"# + #"hold\b"#, "daemon"),
        Ban(#"\bcarri"# + #"ers?\b"#, "worker"),
        Ban(#"\bletter"# + #"box(?:es)?\b"#, "thread-safe queue"),
        Ban(#"\bkno"# + #"ck(?:s|ed|ing)?\b"#, "connect, connect probe"),
        Ban(#"\berr"# + #"ands?\b"#, "deferred event"),
        Ban(#"\bdor"# + #"mant\b"#, "uncounted"),
        Ban(#"\bcro"# + #"wds?\b"#, "many connections, many clients"),
        Ban(#"\bcool(?:s|ed|ing) do"# + #"wn\b"#, "backoff"),
        Ban(#"\bvisi"# + #"tors?\b"#, "client"),
        Ban(#"\bhang"# + #"ups?\b"#, "termination reason"),
        Ban(#"\boff"# + #"ences?\b"#, "violation"),
        Ban(#"\b(?:ever"# + #" more|for a"# + #" while|an"# + #"ew)\b"#, "a number with its unit, or: again"),
    ]

    private static let banned = expression(bans.map { "(\($0.pattern))" }.joined(separator: "|"), .caseInsensitive)

    /// Comments, literals of several lines, raw literals and literals of one line.
    private static let swiftProse = expression(
        ##"//.*|"""[\s\S]*?"""|#+".*?"#+|"(?:[^"\\\n]|\\.)*""##)

    @Test("prose uses the standard terms of the field, without an exception")
    func standardTerms() throws {
        for path in try Self.paths() {
            let text = try String(contentsOf: Corpus.repository.appending(path: path), encoding: .utf8)
            for finding in Self.findings(in: text, isSwift: path.hasSuffix(".swift")) {
                Issue.record("\(path):\(finding.line): \(finding.text) (write: \(finding.advice))")
            }
        }
    }

    @Test("each ban finds its example, with its advice")
    func examples() {
        let examples = [
            "the no" + "body", "Stop. W" + "ho is there", "\"w" + "ho asks gets 503\"", "Tho" + "se who wait",
            "a stran" + "ger", "its fare" + "well", "to take lea" + "ve", "turned aw" + "ay", "its pati" + "ence",
            "the house" + "hold", "a carri" + "er", "a letter" + "box", "kno" + "cks", "an err" + "and",
            "dor" + "mant", "a cro" + "wd", "it cools do" + "wn", "a visi" + "tor", "a hang" + "up", "an off" + "ence",
            "to begin an" + "ew",
        ]
        #expect(examples.count == Self.bans.count)
        for (example, ban) in zip(examples, Self.bans) {
            #expect(Self.findings(in: example, isSwift: false).map(\.advice) == [ban.advice], "\(example)")
        }
    }

    @Test("subjects without a noun are found at the beginning of every kind of sentence")
    func openings() {
        let what = "What" + " is"
        for text in [
            "\(what) left.", "/// \(what) left.", "- \(what) left", "| \(what) left |", "# \(what) left",
            "It ends. \(what) left.",
        ] {
            #expect(Self.findings(in: text, isSwift: false).count == 1, "\(text)")
        }
        for text in [
            "\(what) left?", "The client is gone.", "the client knows w" + "ho is connected", "what " + "is left",
        ] {
            #expect(Self.findings(in: text, isSwift: false).isEmpty, "\(text)")
        }
    }

    @Test("comments and literals are searched, in every form, and code is not")
    func forms() {
        let word = "no" + "body"
        let found = [
            "let x = 1  // \(word) comes", "/// \(word) comes", "let x = \"\(word) comes\"",
            "let x = \"\"\"\n    a\n    \(word) comes\n    \"\"\"", "let x = #\"a \"b\" \(word)\"#",
            "let x = \"a \\\" \(word)\"",
        ]
        for text in found { #expect(Self.findings(in: text, isSwift: true).count == 1, "\(text)") }
        #expect(Self.findings(in: "let \(word) = \"a\" + \(word)", isSwift: true).isEmpty)
        #expect(Self.findings(in: "let a = 1\n\n// \(word)\n", isSwift: true).map(\.line) == [3])
    }

    @Test("every kind of file is among the searched ones")
    func corpus() throws {
        let paths = try Set(Self.paths())
        let expected = [
            "README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "Tests/EndToEnd/conftest.py",
            "Tests/OnDemandTests/Tidy/LanguageTests.swift", "Sources/OnDemand/Kernel/Kernel.swift",
        ]
        #expect(paths.isSuperset(of: expected) && paths.count > 500)
    }

    // MARK: Search

    private static func expression(_ pattern: String, _ options: NSRegularExpression.Options = [])
        -> NSRegularExpression
    {
        try! NSRegularExpression(pattern: pattern, options: options.union(.anchorsMatchLines))
    }

    private static func findings(in text: String, isSwift: Bool) -> [Finding] {
        let string = text as NSString
        let whole = NSRange(location: 0, length: string.length)
        let pieces = isSwift ? swiftProse.matches(in: text, range: whole).map(\.range) : [whole]
        return pieces.flatMap { banned.matches(in: text, range: $0) }.map { match in
            let line = string.substring(with: string.lineRange(for: match.range))
            let before = string.substring(to: NSMaxRange(match.range)).utf8
            let ban = bans.indices.first { match.range(at: $0 + 1).location != NSNotFound }!
            return Finding(
                line: 1 + before.count { $0 == UInt8(ascii: "\n") },
                text: line.trimmingCharacters(in: .whitespacesAndNewlines),
                advice: bans[ban].advice)
        }
    }

    private static func paths() throws -> [String] {
        let folders = [
            ("Sources", "swift"), ("Tests/OnDemandTests", "swift"), ("Fuzz", "swift"), ("docs", "md"),
            ("examples", "md"),
            ("Tests/EndToEnd", "py"), ("Bench", "py"), ("Bench", "md"),
        ]
        let found = try folders.flatMap { folder, ending in
            try FileManager.default.subpathsOfDirectory(atPath: Corpus.repository.appending(path: folder).path())
                .filter { $0.hasSuffix(".\(ending)") }.sorted().map { "\(folder)/\($0)" }
        }
        return found + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Package.swift"]
    }
}
