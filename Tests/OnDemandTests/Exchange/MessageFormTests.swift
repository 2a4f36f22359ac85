import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello

/// Messages in valid but unusual forms, and how they are forwarded.
struct MessageFormTests {
    private let head = "HEAD /app/x?y=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"

    @Test(
        "1xx, 204 and 304 end with their head whatever their fields, and invalid fields are removed",
        arguments: [
            ("HTTP/1.1 204 No Content", ["Content-Length: 5"], [String]()),
            ("HTTP/1.1 204 No Content", ["Transfer-Encoding: chunked", "X: y"], ["X: y"]),
            ("HTTP/1.1 204 No Content", ["Content-Length: 0"], []),
            ("HTTP/1.1 204 No Content", ["Content-Length: nonsense"], []),
            ("HTTP/1.1 304 Not Modified", ["Content-Length: 5"], ["Content-Length: 5"]),
            ("HTTP/1.1 304 Not Modified", ["Content-Length: 5", "Transfer-Encoding: chunked"], []),
            ("HTTP/1.1 304 Not Modified", ["Content-Length: 5", "Content-Length: 6"], []),
        ])
    func withoutBody(line: String, fields: [String], kept: [String]) {
        let response = ([line] + fields + ["", ""]).joined(separator: "\r\n")
        let passed = ([line] + kept + ["", ""]).joined(separator: "\r\n")
        let interim = "HTTP/1.1 103 Early Hints\r\n\(fields.joined(separator: "\r\n"))\r\n\r\n"
        let hints = (["HTTP/1.1 103 Early Hints"] + fields.filter { $0 == "X: y" } + ["", ""]).joined(separator: "\r\n")
        for pieces in Splits.all(of: Array((interim + response).utf8)) {
            var talk = ExchangeHarness(
                pieces: [Array((get + get).utf8)], backends: [.init(pieces: pieces), .init(hello)])
            talk.run()
            #expect(talk.client == hints + passed + hello, "\(response)")
            #expect(talk.leases == 0)
        }
    }

    @Test(
        "a connection is not reused after a 204 with a body or a contradictory response to HEAD",
        arguments: [
            ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false),
            ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", false),
        ])
    func reuse(method: String, response: String, isReused: Bool) {
        let first = get.replacing("GET", with: method, maxReplacements: 1)
        var talk = ExchangeHarness(
            first, rules: ExchangeHarness.rules(keeping: .seconds(1)), backends: .patient(response, hello),
            .patient(hello))
        talk.run()
        #expect(talk.isKept == isReused)
        talk.clientMore(get)
        #expect(talk.client.hasSuffix("hello") && talk.requests.count == (isReused ? 1 : 2))
    }

    @Test("a response with many cookies and policies passes; one beyond its limit is a 502 that names the limit")
    func responseHeads() {
        let large = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \(String(repeating: "a", count: 40_000))\r\n\r\n"
        let many = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(String(repeating: "Set-Cookie: a=b\r\n", count: 200))\r\n"
        for response in [large, many] {
            var talk = ExchangeHarness(get, backends: .init(response))
            talk.run()
            #expect(talk.client == response)
        }
        let refused = [
            (
                String(repeating: "X: \(String(repeating: "a", count: 1000))\r\n", count: 80),
                "limits.max_response_header_bytes"
            ),
            (String(repeating: "A: b\r\n", count: 300), "response_fields"),
        ]
        for (fields, limit) in refused {
            var talk = ExchangeHarness(get, backends: .init("HTTP/1.1 200 OK\r\n\(fields)\r\n"))
            talk.clientTakes = 0
            talk.run()
            #expect(talk.machine.takeLocalReply()?.limit == limit)
            talk.clientTakes = .max
            talk.run()
            #expect(talk.client.hasPrefix("HTTP/1.1 502 ") && !talk.client.contains("not HTTP"))
            let sentence =
                limit == "response_fields" ? "of more than 256 fields." : "of more than 65536 bytes (\(limit))."
            #expect(talk.client.contains("The service \"app\" sent a response header \(sentence)\n"))
        }
    }

    @Test("a service's own limit of response heads applies, on a reused connection, too")
    func responseLimit() {
        var rules = ExchangeHarness.rules(keeping: .seconds(1))
        var services = rules.services
        services[1].limits.maximumResponseHeadBytes = 1024
        rules = ExchangeRules(routes: rules.routes, services: services)
        let large = "HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: 1024))\r\n\r\n"
        var talk = ExchangeHarness(get, rules: rules, backends: .patient(hello, large))
        talk.run()
        talk.clientMore(get)
        #expect(talk.requests.count == 1 && talk.client.contains("more than 1024 bytes"))
    }

    @Test("blanks before colons and in size lines of a response are removed, and so are forbidden trailers")
    func backendForms() {
        let response =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\nX-A : b\r\n\r\n"
            + "002   \r\nok\r\n1 ; x\r\n!\r\n0  \r\nX-Request-Id: 1\r\nContent-Type: a\r\nX-Sum : 2\r\n\r\n"
        let passed =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX-Sum: 2\r\n\r\n"
        for pieces in Splits.all(of: Array(response.utf8)) {
            var talk = ExchangeHarness(
                pieces: [Array((get + get).utf8)], backends: [.init(pieces: pieces), .init(hello)])
            talk.run()
            #expect(talk.client == passed + hello)
        }
    }

    @Test("trailers that Connection names, or that the operator sets as headers, are removed")
    func namedTrailers() {
        let post =
            "POST /app/x HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "0\r\nx_hop: 1\r\nX-Sum: 1\r\nX-Role: admin\r\n\r\n"
        var services = ExchangeHarness.rules.services
        services[1] = ServiceRules(
            name: "app", targetPath: "/", authority: "", webSocket: false,
            headers: [HeaderTemplate(name: "X-Role", parts: [.remoteAddress])])
        let rules = ExchangeRules(routes: ExchangeHarness.rules.routes, services: services)
        let response =
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "0\r\nX-Hop: 1\r\nX-Sum: 1\r\n\r\n"
        var talk = ExchangeHarness(post, rules: rules, backends: .init(response))
        talk.run()
        #expect(talk.requests.first?.hasSuffix("\r\n\r\n0\r\nX-Sum: 1\r\n\r\n") == true)
        #expect(talk.client.hasSuffix("\r\n\r\n0\r\nX-Sum: 1\r\n\r\n"))
    }

    @Test("a 101 in an unusual form opens a tunnel, and reaches the client in the canonical form")
    func oddSwitch() {
        let odd = ExchangeHarness.switched.replacing("Upgrade: ", with: "Upgrade : ")
            .replacing("\r\n\r\n", with: "\r\nContent-Length: 5\r\n\r\n")
        var talk = ExchangeHarness(ExchangeHarness.upgradeRequest, backends: .init(odd))
        talk.run()
        #expect(talk.tunnel.map { String(decoding: $0.toClient, as: UTF8.self) } == ExchangeHarness.switched)
    }

    @Test("the host of an absolute target is the request's host, for the backend and in added headers")
    func absoluteTarget() {
        let request = "GET http://example.com/app/x?y=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        var talk = ExchangeHarness(request, backends: .init(hello))
        talk.run()
        #expect(talk.requests == [ExchangeHarness.getUpstream])
    }

    @Test(
        "OPTIONS * gets its response from the daemon, and reaches no backend",
        arguments: ["*", "http://example.com", "https://example.com:443"])
    func options(target: String) {
        var talk = ExchangeHarness("OPTIONS \(target) HTTP/1.1\r\nHost: a\r\n\r\n" + get, backends: .init(hello))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 204 No Content\r\n") && talk.client.hasSuffix("\r\n\r\n" + hello))
        #expect(!talk.client.contains("Content-Length: 0") && talk.requests == [ExchangeHarness.getUpstream(2)])
        #expect(talk.machine.takeLocalReply() == nil, "it is no mistake")
    }

    @Test("up to two empty lines before each request are skipped")
    func emptyLines() {
        for pieces in Splits.all(of: Array(("\r\n\r\n" + get + "\r\n\r\n" + get).utf8)) {
            var talk = ExchangeHarness(pieces: pieces, backends: [.init(hello), .init(hello)])
            talk.run()
            #expect(talk.client == hello + hello)
        }
    }

    @Test(
        "no response to HEAD has a body, not even to an invalid head",
        arguments: [
            "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/9.9\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
            "\r\nHEAD /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            "HEAD /off HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /\(String(repeating: "x", count: 20_000))",
            "HEAD /app/x HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 20_000))",
        ])
    func headWithoutBody(request: String) {
        var talk = ExchangeHarness(request)
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 ") && talk.client.hasSuffix("\r\n\r\n"))
        #expect(!talk.client.dropLast(4).contains("\r\n\r\n"))
    }

    @Test("a HEAD request with a timeout or a failed backend gets a response without a body")
    func lateHead() {
        var talk = ExchangeHarness("HEAD /app/x HT")
        talk.run()
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 408 ") && talk.client.hasSuffix("\r\n\r\n"))
        var other = ExchangeHarness(head, backends: .init(end: .closes))
        other.run()
        #expect(other.client.hasPrefix("HTTP/1.1 502 ") && other.client.hasSuffix("\r\n\r\n"))
    }

    @Test("a response says close exactly if it ends the connection")
    func lastResponses() {
        let unread = "POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        let openings = [
            unread, unread.replacing("/status", with: "/nowhere"), unread.replacing("/status", with: "/off"),
            unread.replacing("POST /status", with: "OPTIONS *"), "bad\r\n\r\n",
            "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /nowhere HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        ]
        for opening in openings {
            var talk = ExchangeHarness(opening)
            talk.run()
            let closes = talk.sawEnd
            #expect(talk.client.contains("Connection: close\r\n") == closes, "\(opening)")
            #expect(talk.client.contains("keep-alive") != closes, "\(opening)")
            #expect(talk.machine.staysOpen || closes || talk.machine.place == .readingHead)
        }
    }
}
