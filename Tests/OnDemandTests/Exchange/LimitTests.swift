import Testing

@testable import OnDemand

private let hello = ExchangeHarness.hello

/// Effects of the operator's limits on an exchange.
struct LimitTests {
    private func rules(_ limits: PeerLimits, app: ServiceLimits? = nil) -> ExchangeRules {
        let route = Route(pattern: .fixed("/app/*"), destination: .backend(BackendID(index: 0)))
        let service = ServiceRules(
            name: "app", targetPath: nil, authority: "", webSocket: true, headers: [], limits: app ?? limits.service)
        return ExchangeRules(routes: RouteTable([route]), services: [service], limits: limits)
    }

    private func post(_ framing: String, _ body: String) -> String {
        "POST /app/x HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n\(body)"
    }

    @Test(
        "a body with a length above the limit gets 413 before the backend is requested, also with Expect: 100-continue")
    func announcedBody() {
        var limits = PeerLimits()
        limits.service.maximumBodyBytes = 5
        for expectation in ["", "Expect: 100-continue\r\n"] {
            var talk = ExchangeHarness(post("\(expectation)Content-Length: 6", ""), rules: rules(limits))
            talk.run()
            #expect(talk.client.hasPrefix("HTTP/1.1 413 Content Too Large\r\n") && talk.sawEnd)
            #expect(!talk.steps.contains(.enterGate(BackendID(index: 0))))
        }
        var talk = ExchangeHarness(post("Content-Length: 5", "12345"), rules: rules(limits), backends: .init(hello))
        talk.run()
        #expect(talk.client == hello)
    }

    @Test("a chunked body above the limit gets 413, and the backend never gets its end")
    func growingBody() {
        var limits = PeerLimits()
        limits.service.maximumBodyBytes = 5
        var talk = ExchangeHarness(
            post("Transfer-Encoding: chunked", "5\r\n12345\r\n1\r\n6\r\n0\r\n\r\n"), rules: rules(limits),
            backends: .init(hello, readsFirst: .max))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 413 ") && talk.sawEnd && talk.leases == 0)
        #expect(talk.requests.allSatisfy { !$0.hasSuffix("0\r\n\r\n") })
    }

    @Test("a service's own limit overrides the common one, in both directions")
    func overridden() {
        var limits = PeerLimits()
        limits.service.maximumBodyBytes = 1
        var talk = ExchangeHarness(
            post("Content-Length: 5", "12345"), rules: rules(limits, app: ServiceLimits()), backends: .init(hello))
        talk.run()
        #expect(talk.client == hello)
    }

    @Test("heads have the operator's limits: bytes, fields and target")
    func heads() {
        var limits = PeerLimits()
        limits.maximumHeaderBytes = 1024
        limits.maximumHeaderFields = 8
        limits.maximumURIBytes = 64
        let fields = (0..<8).map { "X-\($0): 1\r\n" }.joined()
        let cases = [
            ("GET /app/x HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 1024))\r\n\r\n", 431),
            ("GET /app/x HTTP/1.1\r\nHost: a\r\n\(fields)\r\n", 431),
            ("GET /app/\(String(repeating: "x", count: 64)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ]
        for (request, status) in cases {
            var talk = ExchangeHarness(request, rules: rules(limits))
            talk.run()
            #expect(talk.client.hasPrefix("HTTP/1.1 \(status) ") && talk.sawEnd)
        }
    }

    @Test("each timeout is its service's, and before the routing the common one")
    func timeouts() {
        var limits = PeerLimits()
        limits.headerTimeout = .seconds(1)
        limits.service.sendTimeout = .seconds(2)
        var own = ServiceLimits()
        own.bodyTimeout = .seconds(3)
        own.responseTimeout = .seconds(4)
        own.sendTimeout = .seconds(5)
        var talk = ExchangeHarness(
            post("Content-Length: 5", "1"), rules: rules(limits, app: own), backends: .init(hello, readsFirst: .max))
        #expect(talk.machine.limit(of: .head) == .seconds(1) && talk.machine.limit(of: .flush) == .seconds(2))
        talk.run()
        #expect(talk.deadline == .body)
        #expect(
            [.body, .response, .flush].map { talk.machine.limit(of: $0) } == [.seconds(3), .seconds(4), .seconds(5)])
    }
}

/// Origins that may open a WebSocket: others wake no backend.
struct OriginTests {
    private func response(_ origins: [OriginRule], _ fields: String) -> String {
        let route = Route(pattern: .fixed("/cable"), destination: .backend(BackendID(index: 0)))
        let service = ServiceRules(
            name: "cable", targetPath: nil, authority: "", webSocket: true, headers: [], origins: origins)
        let request = ExchangeHarness.upgradeRequest.replacing("Origin: http://a\r\n", with: fields)
        var talk = ExchangeHarness(request, rules: ExchangeRules(routes: RouteTable([route]), services: [service]))
        talk.admission = .queued
        talk.run()
        return talk.machine.isQueued(for: 0) ? "queued" : String(talk.client.prefix(12))
    }

    @Test("an upgrade from another origin, without an origin, or with two, gets 403 and wakes no backend")
    func refused() {
        let rules = [OriginRule.exact("https://app.example"), .below(scheme: "https://", domain: ".app.example")]
        let mayPass = [
            "https://app.example", "https://a.app.example", "https://a.b.app.example", "HTTPS://App.Example",
        ]
        for origin in mayPass { #expect(response(rules, "Origin: \(origin)\r\n") == "queued", "\(origin)") }
        let mayNot = [
            "https://evil.example", "http://app.example", "https://app.example:444", "https://app.example.evil",
            "https://evilapp.example", "https://.app.example", "null", "https://evil.example/.app.example",
            "https://evil:x.app.example", "https://user@a.app.example", "",
        ]
        for origin in mayNot { #expect(response(rules, "Origin: \(origin)\r\n") == "HTTP/1.1 403", "\(origin)") }
        #expect(response(rules, "") == "HTTP/1.1 403")
        let two = "Origin: https://app.example\r\nOrigin: https://evil.example\r\n"
        #expect(response(rules, two) == "HTTP/1.1 403")
    }

    @Test("a star allows every origin, and that is the default")
    func any() {
        for fields in ["", "Origin: null\r\n", "Origin: https://evil.example\r\n"] {
            #expect(response([.any], fields) == "queued")
        }
    }

    @Test("a plain request has no origin check: browsers protect its response themselves")
    func plain() {
        let route = Route(pattern: .fixed("/*"), destination: .backend(BackendID(index: 0)))
        let service = ServiceRules(
            name: "a", targetPath: nil, authority: "", webSocket: true, headers: [], origins: [.exact("https://a")])
        var talk = ExchangeHarness(
            "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://evil\r\n\r\n",
            rules: ExchangeRules(routes: RouteTable([route]), services: [service]), backends: .init(hello))
        talk.run()
        #expect(talk.client == hello)
    }
}
