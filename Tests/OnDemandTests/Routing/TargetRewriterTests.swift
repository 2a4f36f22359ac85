import Testing

@testable import OnDemand

struct TargetRewriterTests {
    @Test(
        "the target's path replaces the matched part, and the rest is appended",
        arguments: [
            ("/showcase/cable", 15, "/cable", nil, "/cable"),
            ("/api/users/1", 4, "/v1", nil, "/v1/users/1"),
            ("/api/users", 4, "/v1/", nil, "/v1/users"),
            ("/api", 4, "/v1/", nil, "/v1/"),
            ("/api", 4, "/v1", nil, "/v1"),
            ("/api/", 4, "/v1", nil, "/v1/"),
            ("/api/", 4, "/v1/", nil, "/v1/"),
            ("/api//users", 4, "/v1", nil, "/v1//users"),
            ("/users", 0, "/v1", nil, "/v1/users"),
            ("/users", 0, "/", nil, "/users"),
            ("/api", 4, "/", nil, "/"),
        ] as [(String, Int, String, String?, String)])
    func replaces(path: String, matched: Int, target: String, query: String?, expected: String) {
        #expect(rewritten(path, matched, target, query) == expected)
    }

    @Test("without a path in the target the request's own path is forwarded")
    func keeps() {
        #expect(rewritten("/cable", 6, nil, nil) == "/cable")
        #expect(rewritten("/api/users", 4, nil, "page=2") == "/api/users?page=2")
    }

    @Test("R5 path and query are unchanged, whatever they contain")
    func bytes() {
        let query = "q=%20+&&a=b?c=d/.."
        #expect(rewritten("/api/a%2Fb/%e9;x=1", 4, "/v1", query) == "/v1/a%2Fb/%e9;x=1?\(query)")
        #expect(rewritten("/cable", 6, "/cable", "") == "/cable?")
    }

    private func rewritten(_ path: String, _ matched: Int, _ target: String?, _ query: String?) -> String {
        let (path, queryBytes) = (Array(path.utf8), Array((query ?? "").utf8))
        let bytes = TargetRewriter.upstreamTarget(
            path: path.span, matched: matched, targetPath: target, query: query == nil ? nil : queryBytes.span)
        return String(decoding: bytes, as: UTF8.self)
    }
}
