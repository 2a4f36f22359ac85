import Testing

@testable import OnDemand

struct WakeRuleTests {
    private func allows(_ rule: WakeRule, path: String, isUpgrade: Bool = false, headers: [String] = []) -> Bool {
        let bytes = Array(path.utf8)
        return rule.allows(path: bytes.span, isUpgrade: isUpgrade) { headers.contains($0) }
    }

    @Test("a rule without conditions allows every request")
    func any() {
        #expect(allows(.any, path: "/"))
    }

    @Test("one matching condition is enough, and none is not")
    func conditions() throws {
        let rule = WakeRule(conditions: [.upgrade, .header("X-Wake"), .path(try PathPattern(parsing: "/cable/*"))])
        #expect(allows(rule, path: "/", isUpgrade: true))
        #expect(allows(rule, path: "/", headers: ["X-Wake"]))
        #expect(allows(rule, path: "/cable/x"))
        #expect(!allows(rule, path: "/up", headers: ["X-Other"]))
        #expect(!allows(WakeRule(conditions: []), path: "/", isUpgrade: true))
    }

    @Test("a pattern matches the same paths alone as in a table of routes")
    func patterns() throws {
        let patterns = ["/", "/*", "/a", "/a/", "/a/*", "/a/{x}", "/{x}/b", "/a/{x}/*", "/{x}"]
        let paths = [
            "/", "/a", "/a/", "/a/b", "/a//", "/a//b", "/ab", "/b/b", "/a/b/c", "/a/b/", "//", "//b", "/a/../b", "/a/.",
            "/a/%2e%2e", "", "a", "*",
        ]
        for text in patterns {
            let pattern = try PathPattern(parsing: text)
            let table = RouteTable([Route(pattern: pattern, destination: .backend(BackendID(index: 0)))])
            for path in paths {
                let bytes = Array(path.utf8)
                let isFound = table.find(bytes.span) != nil
                #expect(pattern.matches(bytes.span) == isFound, "\(text) and \(path)")
            }
        }
    }
}
