import Testing

@testable import OnDemand

struct PathPatternTests {
    @Test("a pattern is parsed into its segments")
    func segments() throws {
        let pattern = try PathPattern(parsing: "/showcase/{region}/cable")
        #expect(pattern.segments == [.literal("showcase"), .placeholder("region"), .literal("cable")])
        #expect(!pattern.isPrefix && pattern.text == "/showcase/{region}/cable")
    }

    @Test("a trailing slash is an empty segment, a trailing /* is none")
    func ends() throws {
        #expect(try PathPattern(parsing: "/").segments == [.literal("")])
        #expect(try PathPattern(parsing: "/cable/").segments == [.literal("cable"), .literal("")])
        let everything = try PathPattern(parsing: "/*")
        #expect(everything.segments.isEmpty && everything.isPrefix)
        let below = try PathPattern(parsing: "/api/*")
        #expect(below.segments == [.literal("api")] && below.isPrefix)
    }

    @Test("percent-encoding and every other byte of a path are unchanged")
    func encoding() throws {
        #expect(try PathPattern(parsing: "/a%2Fb/~c!$&'()+,;=:@").segments.first == .literal("a%2Fb"))
    }

    @Test(
        "each error in a pattern has its text",
        arguments: [
            ("", .noLeadingSlash), ("cable", .noLeadingSlash), ("*", .noLeadingSlash),
            ("//", .emptySegment), ("/a//b", .emptySegment), ("//*", .emptySegment), ("/a//*", .emptySegment),
            ("/a/../b", .dotSegment), ("/./a", .dotSegment), ("/a/%2e%2E", .dotSegment), ("/../*", .dotSegment),
            ("/a*", .misplacedStar), ("/*/a", .misplacedStar), ("/**", .misplacedStar), ("/a/*b", .misplacedStar),
            ("/a?b", .queryOrFragment), ("/a#b", .queryOrFragment),
            ("/a b", .notEncoded), ("/\u{e9}", .notEncoded), ("/a%2", .notEncoded), ("/a%zz", .notEncoded),
            ("/a|b", .notEncoded), ("/\u{301}abc", .notEncoded), ("/a\r\n", .notEncoded), ("/\u{0}", .notEncoded),
            ("/{}", .badPlaceholder), ("/{a", .badPlaceholder), ("/a}", .badPlaceholder), ("/{a}b", .badPlaceholder),
            ("/{1a}", .badPlaceholder), ("/{a-b}", .badPlaceholder), ("/{{a}}", .badPlaceholder),
            ("/{a}/{a}", .repeatedPlaceholder("a")),
        ] as [(String, PathPatternError)])
    func mistakes(text: String, expected: PathPatternError) {
        let error = #expect(throws: PathPatternError.self) { try PathPattern(parsing: text) }
        #expect(error == expected)
    }

    @Test(
        "patterns overlap when no path distinguishes them by specificity",
        arguments: [
            ("/a", "/a", true), ("/a/{x}", "/a/{y}", true), ("/{x}/*", "/{y}/*", true), ("/*", "/*", true),
            ("/a", "/a/", false), ("/a", "/A", false), ("/a/{x}", "/a/*", false), ("/a", "/a/*", false),
            ("/a/{x}", "/{x}/b", false), ("/a%2Fb", "/a%2fb", false), ("/", "/*", false),
        ])
    func overlaps(one: String, other: String, expected: Bool) throws {
        let (one, other) = (try PathPattern(parsing: one), try PathPattern(parsing: other))
        #expect(one.overlaps(other) == expected)
        #expect(other.overlaps(one) == expected)
    }
}
