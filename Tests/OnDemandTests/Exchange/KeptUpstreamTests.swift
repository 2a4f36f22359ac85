import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello
private let rules = ExchangeHarness.rules(keeping: .seconds(1))

/// Reuse of a backend connection: when, for which requests, and what happens when the backend closes it.
struct KeptUpstreamTests {
    private typealias Backend = ExchangeHarness.Backend

    private func talk(_ requests: String..., backends: Backend...) -> ExchangeHarness {
        var talk = ExchangeHarness(pieces: [], rules: rules, backends: backends)
        for request in requests {
            talk.clientMore(request)
            talk.run()
        }
        return talk
    }

    private static func response(_ text: String) -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
    }

    // MARK: Kept

    @Test("the requests of one client reach their backend on one connection, without Connection: close")
    func reused() {
        let talk = talk(get, get, get, backends: .patient(hello, Self.response("2"), Self.response("three")))
        #expect(talk.client == hello + Self.response("2") + Self.response("three"))
        #expect(talk.requests.count == 1)
        #expect(talk.requests[0].ranges(of: "GET /x?y=1 HTTP/1.1\r\n").count == 3)
        #expect(!talk.requests[0].contains("Connection"))
    }

    @Test("an idle connection holds no lease, and has the timeout of its service")
    func withoutLease() {
        var talk = talk(get, backends: .patient(hello))
        #expect(talk.isKept && talk.leases == 0)
        #expect(talk.deadline == .idleUpstream && talk.machine.limit(of: .idleUpstream) == .seconds(1))
        talk.deadlineFires()
        #expect(!talk.isKept && talk.termination == nil)
        #expect(talk.deadline == .keepAlive, "the client's own connection goes on waiting")
    }

    @Test("a kept connection that ends behind the gate is left to the driver, which holds the new lease")
    func endsBehindGate() {
        var talk = talk(get, backends: .patient(hello))
        talk.machine.receivedFromClient(Array(get.utf8)[...])
        let ended: Readiness = [.readable, .peerEnded, .writable]
        #expect(talk.machine.next(client: .writable, upstream: ended) == .releaseUpstream)
        talk.machine.admitted()
        #expect(talk.machine.next(client: .writable, upstream: ended) == .connect(BackendID(index: 1)))
    }

    @Test("chunks, a 204 and a response to HEAD leave the connection open, too, in every split")
    func framings() {
        let replies = [
            ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n"), ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        ]
        for (method, response) in replies {
            for pieces in Splits.all(of: Array(response.utf8)) {
                var talk = ExchangeHarness(
                    pieces: [Array(get.replacing("GET", with: method, maxReplacements: 1).utf8)], rules: rules,
                    backends: [.init(pieces: pieces)])
                talk.run()
                #expect(talk.client == response && talk.isKept && talk.leases == 0, "\(pieces.count)")
            }
        }
    }

    @Test("a request behind a body that the backend has read reuses the connection")
    func behindBody() {
        let post = "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nname"
        let talk = talk(post, get, backends: .patient(hello, hello))
        #expect(talk.client == hello + hello && talk.requests.count == 1)
    }

    @Test("pipelined requests get their responses in order on one connection")
    func pipelined() {
        let talk = talk(get + get, backends: .patient(hello, Self.response("2")))
        #expect(talk.client == hello + Self.response("2") && talk.requests.count == 1)
    }

    // MARK: Not kept

    @Test(
        "a connection with an ambiguous next byte is closed after the response",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "HTTP/1.1 204 No Content\r\n\r\n\n",
        ])
    func notKept(response: String) {
        let talk = talk(get, get, backends: .patient(response, hello), .patient(hello))
        #expect(!talk.client.contains("evil") && talk.client.hasSuffix(hello))
        #expect(talk.requests.count == 2 && talk.leases == 0)
    }

    @Test("unrequested bytes of the backend, at once or later, close the connection and are discarded")
    func surplus() {
        let evil = Self.response("evil")
        var talk = talk(get, backends: .patient(hello, evil, speaksUnaskedFrom: 1), .patient(hello))
        #expect(talk.client == hello && !talk.isKept)
        talk.clientMore(get)
        #expect(talk.client == hello + hello && talk.requests.count == 2)
        var later = self.talk(get, backends: .patient(hello), .patient(hello))
        #expect(later.isKept)
        later.backendSpeaks(evil)
        #expect(!later.isKept && later.leases == 0)
        later.clientMore(get)
        #expect(later.client == hello + hello && later.requests.count == 2)
    }

    @Test(
        "no connection is kept for a client that closes, HTTP/1.0, an upgrade, or a service without the setting",
        arguments: [
            "GET /app/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /app/x HTTP/1.0\r\n\r\n",
            "GET /app/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            ExchangeHarness.upgradeRequest.replacing("/cable", with: "/app/x"), ExchangeHarness.upgradeRequest,
        ])
    func closingRequests(request: String) {
        let talk = talk(request, backends: .patient(hello))
        #expect(!talk.isKept && talk.leases == 0)
        #expect(talk.requests[0].contains("Connection: close\r\n") || talk.requests[0].contains("Upgrade: websocket"))
        var off = ExchangeHarness(get, backends: .patient(hello))
        off.run()
        #expect(!off.isKept && off.requests[0].contains("Connection: close\r\n"))
    }

    @Test("a response before the end of the request body closes the connection")
    func earlyAnswer() {
        let talk = talk(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nname", backends: .patient(hello))
        #expect(!talk.isKept && talk.leases == 0)
    }

    @Test("an idle connection does not wait for a client that reads its response slowly or sends a head in pieces")
    func slowClients() {
        var slow = ExchangeHarness(pieces: [Array(get.utf8)], rules: rules, backends: [.patient(hello)])
        slow.clientTakes = 0
        slow.run()
        #expect(!slow.isKept && slow.leases == 0)
        var trickling = talk(get, backends: .patient(hello), .patient(hello))
        #expect(trickling.isKept)
        trickling.clientMore("GET /app/")
        #expect(!trickling.isKept)
        trickling.clientMore("x HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(trickling.client == hello + hello && trickling.requests.count == 2)
    }

    // MARK: Requests that may reuse it

    @Test(
        "a non-idempotent request, one with a body and an upgrade get a new connection",
        arguments: [
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "DELETE /app/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "get /app/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
            ExchangeHarness.upgradeRequest.replacing("/cable", with: "/app/x"),
        ])
    func ownConnection(request: String) {
        let talk = talk(get, request, backends: .patient(hello, hello), .patient(hello))
        #expect(talk.requests.count == 2 && talk.client == hello + hello)
    }

    @Test("a request to another service, to the daemon, or a queued one closes the idle connection")
    func otherService() {
        let other = talk(
            get, "GET /cable HTTP/1.1\r\nHost: a\r\n\r\n", backends: .patient(hello, hello), .patient(hello))
        #expect(other.requests.count == 2 && other.client == hello + hello)
        for path in ["/status", "/off"] {
            let talk = talk(get, "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n", backends: .patient(hello))
            #expect(talk.requests.count == 1 && !talk.isKept)
        }
        var queued = talk(get, backends: .patient(hello, hello))
        queued.admission = .queued
        queued.clientMore(get)
        #expect(!queued.isKept && queued.machine.isQueued(for: 1))
    }

    // MARK: Broken

    @Test("a request that the backend cannot have read is retried once, through the gate and on a new connection")
    func askedAgain() {
        for end: Backend.End in [.closes, .resets] {
            var talk = ExchangeHarness(
                get, rules: rules, backends: .patient(hello, end: end), .patient(Self.response("again"), hello))
            talk.isUnread = true
            talk.run()
            talk.clientMore(get)
            #expect(talk.client == hello + Self.response("again"))
            #expect(talk.requests.count == 2 && talk.isKept && talk.leases == 0)
            #expect(talk.steps.count { $0 == .enterGate(BackendID(index: 1)) } == 3)
            #expect(talk.requests[0].hasSuffix(talk.requests[1]), "byte for byte the same request")
        }
    }

    @Test("a request that the backend may have read is not retried, because it may have caused the crash")
    func notAskedAgain() {
        for end: Backend.End in [.closes, .breaks] {
            let talk = talk(get, get, backends: .patient(hello, end: end), .patient(hello))
            #expect(talk.client.hasPrefix(hello + "HTTP/1.1 502 "))
            #expect(talk.requests.count == 1 && talk.leases == 0)
        }
    }

    @Test(
        "a response that has begun, or an interim one, prevents a retry",
        arguments: ["HTTP/1.1 2", "HTTP/1.1 103 Hints\r\n\r\n"])
    func hasBegun(beginning: String) {
        var talk = ExchangeHarness(
            get, rules: rules, backends: .patient(hello, beginning, end: .resets), .patient(hello))
        talk.backends[0].speaksUnaskedFrom = nil
        talk.run()
        talk.clientMore(get)
        talk.backendBreaks()
        #expect(talk.client.contains("HTTP/1.1 502 ") && talk.requests.count == 1 && talk.leases == 0)
    }

    @Test("a request is retried once, not twice")
    func onlyOnce() {
        var talk = ExchangeHarness(get, rules: rules, backends: .patient(hello, end: .resets), .patient(end: .resets))
        talk.isUnread = true
        talk.run()
        talk.clientMore(get)
        #expect(talk.client.hasPrefix(hello + "HTTP/1.1 502 ") && talk.requests.count == 2 && talk.leases == 0)
    }

    @Test("a retried request may be queued for the next generation")
    func waitsAgain() {
        var talk = ExchangeHarness(get, rules: rules, backends: .patient(hello, end: .resets), .patient(hello))
        talk.gateClosesAfter = 2
        talk.run()
        talk.clientMore(get)
        #expect(talk.machine.isQueued(for: 1) && talk.leases == 0)
    }
}
