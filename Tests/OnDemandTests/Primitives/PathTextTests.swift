import Testing

@testable import OnDemand

struct PathTextTests {
    @Test(
        "a path becomes absolute, without dot components and empty ones",
        arguments: [
            ("../wd", "/srv/wd"), (".", "/srv/app"), ("./a/./b", "/srv/app/a/b"), ("a/../b", "/srv/app/b"),
            ("../../../..", "/"), ("/opt//x/../y/", "/opt/y"), ("/", "/"), ("", "/srv/app"), ("...", "/srv/app/..."),
        ])
    func absolute(path: String, expected: String) { #expect(PathText.absolute(path, from: "/srv/app") == expected) }

    @Test("the root directory adds no second slash")
    func root() { #expect(PathText.absolute("a", from: "/") == "/a") }
}
