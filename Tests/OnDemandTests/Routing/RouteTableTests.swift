import Testing

@testable import OnDemand

struct RouteTableTests {
    @Test("the example's paths lead to their service", arguments: ["/cable", "/showcase/cable"])
    func exact(path: String) throws {
        let table = try table("/cable", "/showcase/cable", "/showcase/regions/{region}/cable")
        #expect(find(path, in: table)?.matchedByteCount == path.utf8.count)
    }

    @Test(
        "an exact pattern matches its path and nothing near it",
        arguments: ["/cable/", "/Cable", "/cables", "/cabl", "/", "", "cable", "*", "/cable/x", "//cable", "/%63able"])
    func nearMisses(path: String) throws {
        #expect(find(path, in: try table("/cable")) == nil)
    }

    @Test(
        "a placeholder stands for exactly one non-empty segment",
        arguments: [
            ("/t/iad/cable", true), ("/t/a%2Fb/cable", true), ("/t//cable", false), ("/t/cable", false),
            ("/t/a/b/cable", false), ("/t/../cable", false), ("/t/%2e%2e/cable", false), ("/t/.../cable", true),
        ])
    func placeholder(path: String, matches: Bool) throws {
        let match = find(path, in: try table("/t/{region}/cable"))
        #expect(match?.matchedByteCount == (matches ? path.utf8.count : nil))
    }

    @Test(
        "a prefix matches itself and paths below, never a longer name",
        arguments: [
            ("/api", 4), ("/api/", 4), ("/api/users", 4), ("/api//users", 4), ("/apix", nil), ("/ap", nil), ("/", nil),
            ("/Api/users", nil),
        ] as [(String, Int?)])
    func prefix(path: String, matched: Int?) throws {
        #expect(find(path, in: try table("/api/*"))?.matchedByteCount == matched)
    }

    @Test("a prefix may hold placeholders, and all of it counts as matched")
    func prefixWithPlaceholder() throws {
        #expect(find("/t/iad/users/1", in: try table("/t/{region}/*"))?.matchedByteCount == 6)
    }

    @Test("the prefix of everything matches no part of the path, so that all of it is forwarded")
    func everything() throws {
        let table = try table("/*")
        #expect(find("/", in: table)?.matchedByteCount == 0)
        #expect(find("/a/b", in: table)?.matchedByteCount == 0)
    }

    @Test(
        "the most specific pattern wins, segment by segment from the left",
        arguments: [
            ("/a/b", "/a/b"), ("/a/x", "/a/{x}"), ("/x/b", "/{x}/b"), ("/a", "/a"), ("/a/", "/a/*"),
            ("/a/x/y", "/a/*"), ("/x/y", "/*"), ("/x", "/*"), ("/a/b/c", "/a/b/*"), ("/a/x/c/d", "/a/{x}/c/*"),
            ("/a/b/c/d", "/a/b/*"),
        ])
    func specificity(path: String, winner: String) throws {
        let patterns = ["/*", "/a/*", "/{x}/b", "/a/{x}", "/a/b", "/a", "/a/b/*", "/a/{x}/c/*"]
        for order in [patterns, patterns.reversed()] {
            let match = find(path, in: try table(order))
            #expect(match.map { order[index(of: $0)] } == winner)
        }
    }

    @Test("a literal without a route yields to the placeholder beside it")
    func goingBack() throws {
        let patterns = ["/a/b/c", "/{x}/b/d", "/{x}/*"]
        let table = try table(patterns)
        #expect(find("/a/b/d", in: table).map { patterns[index(of: $0)] } == "/{x}/b/d")
        #expect(find("/a/b/e", in: table).map { patterns[index(of: $0)] } == "/{x}/*")
    }

    @Test(
        "a path that a backend could resolve outside its route matches nothing",
        arguments: [
            "/api/..", "/api/../admin", "/api/./x", "/api/.", "/api/%2e%2e/admin", "/api/.%2E/admin", "/api/%2e",
            "/api/a/../../admin", "/api/..%2fadmin", "/api/x%2F..%2f..", "/api/..\\admin", "/api/..%5cadmin",
            "/api/..;/admin", "/api/..;a=b/admin", "/../api/x", "/api/x/..", "/api/%2e%2e%3bx",
        ])
    func dotSegments(path: String) throws {
        #expect(find(path, in: try table("/api/*", "/{x}/{y}", "/*")) == nil)
    }

    @Test(
        "dots within a name are ordinary",
        arguments: ["/api/...", "/api/.well-known", "/api/a.b", "/api/..a", "/api/a;..", "/api/%2e%", "/api/.git%2"])
    func ordinaryDots(path: String) throws {
        #expect(find(path, in: try table("/api/*"))?.matchedByteCount == 4)
    }

    @Test("a disabled service's routes are found as such")
    func disabled() throws {
        let route = Route(pattern: try PathPattern(parsing: "/a"), destination: .disabled(BackendID(index: 7)))
        #expect(find("/a", in: RouteTable([route]))?.destination == .disabled(BackendID(index: 7)))
    }

    @Test("random tables agree with a slow matcher", arguments: 0..<200 as Range<UInt64>)
    func againstRules(seed: UInt64) throws {
        var random = Seeded(seed: seed)
        var patterns: [PathPattern] = []
        for _ in 0..<8 {
            let parts = (0..<Int.random(in: 0...3, using: &random)).map { index in
                ["a", "b", "aa", "{p\(index)}"].randomElement(using: &random) ?? ""
            }
            let tail = parts.isEmpty || Bool.random(using: &random) ? ["*"] : []
            let pattern = try PathPattern(parsing: "/" + (parts + tail).joined(separator: "/"))
            if !patterns.contains(where: pattern.overlaps) { patterns.append(pattern) }
        }
        let table = try table(patterns.map(\.text))
        for _ in 0..<60 {
            let parts = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                ["a", "b", "aa", "c", ""].randomElement(using: &random) ?? ""
            }
            let path = "/" + parts.joined(separator: "/")
            let matching = patterns.indices.compactMap { position in
                ranks(of: patterns[position], on: parts).map { (position: position, ranks: $0) }
            }
            let best = matching.min { $0.ranks.lexicographicallyPrecedes($1.ranks) }
            #expect(find(path, in: table).map(index) == best?.position, "\(path) among \(patterns.map(\.text))")
        }
    }

    /// Literal 0, placeholder 1, the rest of a prefix 2; nil when the pattern does not match.
    private func ranks(of pattern: PathPattern, on parts: [String]) -> [Int]? {
        let count = pattern.segments.count
        guard pattern.isPrefix ? parts.count >= count : parts.count == count else { return nil }
        var ranks: [Int] = []
        for (segment, part) in zip(pattern.segments, parts) {
            switch segment {
            case .literal(let text): if text == part { ranks.append(0) } else { return nil }
            case .placeholder: if part.isEmpty { return nil } else { ranks.append(1) }
            }
        }
        return ranks + (pattern.isPrefix ? [2] : [])
    }
}

private func table(_ patterns: String...) throws -> RouteTable { try table(patterns) }

/// Each pattern's backend is its position.
private func table(_ patterns: [String]) throws -> RouteTable {
    RouteTable(
        try patterns.enumerated().map { index, text in
            Route(pattern: try PathPattern(parsing: text), destination: .backend(BackendID(index: index)))
        })
}

private func find(_ path: String, in table: RouteTable) -> Match? { table.find(Array(path.utf8).span) }

private func index(of match: Match) -> Int {
    switch match.destination {
    case .backend(let backend), .disabled(let backend): backend.index
    case .local: preconditionFailure("these tables lead to backends only")
    }
}
