import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello
private let rules = ExchangeHarness.rules(keeping: .seconds(1))

/// A connection to a backend that outlives its request: when, for whom, and what happens when the backend ends it.
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

    @Test("the requests of one client reach their backend on one connection, which says nothing of closing")
    func reused() {
        let talk = talk(get, get, get, backends: .patient(hello, Self.response("2"), Self.response("three")))
        #expect(talk.client == hello + Self.response("2") + Self.response("three"))
        #expect(talk.requests.count == 1)
        #expect(talk.requests[0].ranges(of: "GET /x?y=1 HTTP/1.1\r\n").count == 3)
        #expect(!talk.requests[0].contains("Connection"))
    }

    @Test("between requests no lease is held, and the connection waits for as long as its service says")
    func withoutLease() {
        var talk = talk(get, backends: .patient(hello))
        #expect(talk.isKept && talk.leases == 0)
        #expect(talk.deadline == .idleUpstream && talk.machine.limit(of: .idleUpstream) == .seconds(1))
        talk.deadlineFires()
        #expect(!talk.isKept && talk.termination == nil)
        #expect(talk.deadline == .keepAlive, "the client's own connection goes on waiting")
    }

    @Test("chunks, a 204 and an answer to HEAD leave the connection open too, in every split")
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

    @Test("a request behind a body that the backend has read whole goes onto the same connection")
    func behindBody() {
        let post = "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nname"
        let talk = talk(post, get, backends: .patient(hello, hello))
        #expect(talk.client == hello + hello && talk.requests.count == 1)
    }

    @Test("requests sent together are answered in order on one connection")
    func pipelined() {
        let talk = talk(get + get, backends: .patient(hello, Self.response("2")))
        #expect(talk.client == hello + Self.response("2") && talk.requests.count == 1)
    }

    // MARK: Not kept

    @Test(
        "a connection whose next byte nobody could be sure about is closed behind the answer",
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

    @Test("what a backend says unasked, at once or later, ends the connection and reaches nobody")
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
        "no connection is kept for a client that closes, an old one, one that asked for a tunnel, or a service without",
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

    @Test("an answer before the end of the request's body closes the connection, on which the rest was to come")
    func earlyAnswer() {
        let talk = talk(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nname", backends: .patient(hello))
        #expect(!talk.isKept && talk.leases == 0)
    }

    @Test("a kept connection waits neither for a client that takes its answer slowly nor for a head in pieces")
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

    // MARK: For whom

    @Test(
        "what changes something, brings a body or asks for a tunnel gets a connection of its own",
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

    @Test("another service's request closes it, and so does one for the daemon or one that has to wait")
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
        #expect(!queued.isKept && queued.machine.phase == .queued(BackendID(index: 1)))
    }

    // MARK: Broken

    @Test("a request that the backend cannot have read is sent once more, through the gate and on a fresh connection")
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

    @Test("a request that the backend may have read is not: nobody is asked twice to do what has crashed it")
    func notAskedAgain() {
        for end: Backend.End in [.closes, .breaks] {
            let talk = talk(get, get, backends: .patient(hello, end: end), .patient(hello))
            #expect(talk.client.hasPrefix(hello + "HTTP/1.1 502 "))
            #expect(talk.requests.count == 1 && talk.leases == 0)
        }
    }

    @Test(
        "an answer that has begun, or an interim one, is an answer",
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

    @Test("it is sent once more and not a third time")
    func onlyOnce() {
        var talk = ExchangeHarness(get, rules: rules, backends: .patient(hello, end: .resets), .patient(end: .resets))
        talk.isUnread = true
        talk.run()
        talk.clientMore(get)
        #expect(talk.client.hasPrefix(hello + "HTTP/1.1 502 ") && talk.requests.count == 2 && talk.leases == 0)
    }

    @Test("a request that is sent once more may have to wait for the backend's next life")
    func waitsAgain() {
        var talk = ExchangeHarness(get, rules: rules, backends: .patient(hello, end: .resets), .patient(hello))
        talk.gateClosesAfter = 2
        talk.run()
        talk.clientMore(get)
        #expect(talk.machine.phase == .queued(BackendID(index: 1)) && talk.leases == 0)
    }
}
