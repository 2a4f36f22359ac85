import Testing

@testable import OnDemand

@Suite struct RequestTargetTests {
    private func parts(_ line: String, host: String = "a") throws -> (
        form: RequestTarget.Form, path: String, query: String?
    ) {
        let bytes = Array("\(line)\r\nHost: \(host)\r\n\r\n".utf8)
        let head = try requestHead(bytes)
        return (head.form, String(bytes.span, head.path), head.query.map { String(bytes.span, $0) })
    }

    @Test("path and query are what stands before and after the first question mark")
    func originForm() throws {
        #expect(try parts("GET /a/b?c=/d?e HTTP/1.1") == (.origin, "/a/b", "c=/d?e"))
        #expect(try parts("GET /? HTTP/1.1") == (.origin, "/", ""))
        #expect(try parts("GET //a HTTP/1.1") == (.origin, "//a", nil))
        #expect(try parts("GET /{x}|\"^ HTTP/1.1") == (.origin, "/{x}|\"^", nil))
    }

    @Test("path and query of an absolute URI are found inside it, an absent path is empty")
    func absoluteForm() throws {
        #expect(try parts("GET http://a/b?c HTTP/1.1") == (.absolute, "/b", "c"))
        #expect(try parts("GET HTTP://A HTTP/1.1") == (.absolute, "", nil))
        #expect(try parts("GET https://a?q=/ HTTP/1.1") == (.absolute, "", "q=/"))
    }

    @Test("an absolute URI names the host, whatever the Host field says")
    func absoluteHost() throws {
        #expect(try parts("GET http://a:80/ HTTP/1.1", host: "A").form == .absolute)
        #expect(try parts("GET https://a/ HTTP/1.1", host: "a:443").form == .absolute)
        #expect(try parts("GET http://a:/ HTTP/1.1", host: "a").form == .absolute)
        #expect(try parts("GET http://[::1]:8080/ HTTP/1.1", host: "[::1]:8080").form == .absolute)
        for (target, host) in [
            ("http://b/", "a"), ("http://a:81/", "a"), ("http://a/", "a:443"), ("https://a/", "a:80"),
            ("http://aa/", "a"), ("http://[::1]/", "[::2]"),
        ] {
            let bytes = Array("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8)
            let named = try #require(try requestHead(bytes).host)
            #expect("\(target)".contains("//\(String(bytes.span, named))/"), "\(target)")
        }
        // An invalid field is rejected although it is not used (RFC 9112, 3.2).
        #expect(refusal(of: "GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n") == .invalidHost)
        #expect(refusal(of: "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == .severalHosts)
        #expect(refusal(of: "GET http://a/ HTTP/1.1\r\n\r\n") == .missingHost)
    }

    @Test("forms in the wrong place, other schemes and invalid authorities are rejected")
    func misplaced() {
        let refused: [(String, HeadError)] = [
            ("GET *", .asteriskMisplaced), ("OPTIONS **", .authorityMisplaced),
            ("GET a:80", .authorityMisplaced), ("GET example.com", .authorityMisplaced),
            ("GET ftp://a/", .authorityMisplaced), ("GET http:/a", .authorityMisplaced),
            ("GET ?q", .authorityMisplaced), ("GET http:///x", .invalidAuthority),
            ("GET http://user@a/", .invalidAuthority), ("GET http://a:b/", .invalidAuthority),
            ("GET http://a%2eb/", .invalidAuthority), ("GET http://[::1/", .invalidAuthority),
            ("GET http://a\\b/", .invalidAuthority),
        ]
        for (line, error) in refused {
            #expect(refusal(of: "\(line) HTTP/1.1\r\nHost: a\r\n\r\n") == error, "\(line)")
        }
    }

    @Test("the asterisk is for OPTIONS, and its path is the asterisk")
    func asteriskForm() throws {
        #expect(try parts("OPTIONS * HTTP/1.1") == (.asterisk, "*", nil))
    }

    @Test("HTTP/1.1 has one valid Host; HTTP/1.0 may have none, and then an absolute target names it")
    func hosts() throws {
        #expect(refusal(of: "GET / HTTP/1.1\r\n\r\n") == .missingHost)
        #expect(refusal(of: "GET http://a/ HTTP/1.1\r\n\r\n") == .missingHost)
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n") == .severalHosts)
        #expect(refusal(of: "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") == .severalHosts)
        #expect(try requestHead(Array("GET / HTTP/1.0\r\n\r\n".utf8)).host == nil)
        let bytes = Array("GET http://b:1/ HTTP/1.0\r\n\r\n".utf8)
        let host = try #require(try requestHead(bytes).host)
        #expect(String(bytes.span, host) == "b:1")
    }

    @Test(
        "a Host is a name or an address and perhaps a port",
        arguments: [
            "", "a b", "a, b", "a,b", "a/b", "user@a", "a:b", "a:123456", "a:65536", "a:1:2", "[::1", "[]", "[::1]x",
            "[g::]", "\u{e9}.de", "a%00", ":80", "a?b", "a#b", "http://a", "a:-1", "a:+1",
        ])
    func invalidHosts(host: String) {
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == .invalidHost)
    }

    @Test(
        "ordinary hosts pass",
        arguments: ["a", "a.b-c_d.e", "127.0.0.1:3000", "[::1]:80", "a:", "a:65535", "xn--9ca.de"])
    func validHosts(host: String) {
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == nil)
    }
}
