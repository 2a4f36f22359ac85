import Testing

@testable import OnDemand

/// Local replies have the format that the client prefers, and contain the request identifier of the log.
struct ResponseFormatTests {
    private func asking(_ path: String = "/nowhere", accept: String?, method: String = "GET") -> String {
        let field = accept.map { "Accept: \($0)\r\n" } ?? ""
        return "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(field)\r\n"
    }

    private func response(to requests: String, backends: ExchangeHarness.Backend...) -> String {
        var talk = ExchangeHarness(pieces: [Array(requests.utf8)], backends: backends)
        talk.run()
        return talk.client
    }

    @Test("a browser gets HTML, a program JSON, and any other client text; all with the request identifier")
    func forms() {
        let page = response(to: asking(accept: "text/html,*/*;q=0.8"))
        #expect(page.hasPrefix("HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n"))
        #expect(page.contains("<code>0000000000000007-1</code>"))
        let object = response(to: asking(accept: "application/json"))
        #expect(object.contains("\r\nContent-Type: application/json\r\n"))
        #expect(object.hasSuffix("\"status\":404,\"id\":\"0000000000000007-1\",\"retry_after\":null}\n"))
        for accept in [nil, "*/*", "image/png"] {
            let line = response(to: asking(accept: accept))
            #expect(line.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"))
            #expect(line.hasSuffix("\r\n\r\nNo service is configured for this path.\n"))
            #expect(line.contains("\r\nX-Request-Id: 0000000000000007-1\r\n"))
        }
    }

    @Test("each request of a connection gets its own format, also when they arrive together")
    func pipelined() {
        let client = response(
            to: asking(accept: "application/json") + asking(accept: nil) + asking(accept: "text/html"))
        let types = client.matches(of: /Content-Type: ([a-z\/]+)/).map { String($0.1) }
        #expect(types == ["application/json", "text/plain", "text/html"])
        #expect(client.contains("\"id\":\"0000000000000007-1\"") && client.contains("<code>0000000000000007-3</code>"))
    }

    @Test("a HEAD request gets the head of the preferred format, and no body")
    func head() {
        let whole = response(to: asking(accept: "application/json"))
        let head = response(to: asking(accept: "application/json", method: "HEAD"))
        #expect(head == whole.prefix(head.count) && head.hasSuffix("\r\n\r\n"))
        #expect(head.contains("Content-Length: \(whole.count - head.count)\r\n"))
    }

    @Test("a request to a backend that does not start gets Retry-After, in its format")
    func refused() {
        var talk = ExchangeHarness(asking("/app/x", accept: "application/json"))
        talk.admission = .queued
        talk.run()
        talk.machine.refused(.exitedEarly(.status(1)), retryAfter: .milliseconds(4200))
        talk.run()
        #expect(talk.client.contains("\r\nRetry-After: 5\r\n") && talk.client.hasSuffix("\"retry_after\":5}\n"))
        #expect(talk.client.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    }

    @Test("a request to a backend that fails gets its format, though its head was sent long ago")
    func broken() {
        let client = response(
            to: asking("/app/x", accept: "application/json"), backends: .init(pieces: [], end: .breaks))
        #expect(client.hasPrefix("HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"))
    }

    @Test("a request with its body is forwarded whole, and the next bytes are a request")
    func bodyBehindHead() {
        let post = "POST /app/x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nContent-Length: 4\r\n\r\nbody"
        var talk = ExchangeHarness(post + asking(accept: nil), backends: .init(ExchangeHarness.hello, readsFirst: 200))
        talk.run()
        #expect(talk.requests[0].hasSuffix("\r\n\r\nbody") && talk.requests[0].contains("\r\nAccept: text/html\r\n"))
        #expect(talk.client.hasPrefix(ExchangeHarness.hello + "HTTP/1.1 404 "))
    }

    @Test("an invalid request has no preference and gets text")
    func unreadable() {
        let client = response(to: "GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n")
        #expect(client.hasPrefix("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"))
        #expect(!client.contains("X-Request-Id"))
    }
}
