import Testing

@testable import OnDemand

private let get = ExchangeHarness.get

struct EarlyResponseTests {
    private let post = "POST /app/x HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n"
    private let tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"

    @Test("a response before the end of the request body is forwarded, and the connection is closed after it")
    func early() {
        var talk = ExchangeHarness(post + "abc", backends: .init(tooLarge))
        talk.run()
        #expect(talk.client == "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        #expect(talk.sawEnd && talk.leases == 0)
        talk.clientMore("defghij" + get)
        #expect(talk.requests.count == 1, "bytes after an unread body are no request")
        #expect(talk.client.hasSuffix("no"))
    }

    @Test("a backend that stops reading may still respond, and the client may continue to send")
    func refusesMore() {
        var talk = ExchangeHarness(post + "abc", backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        talk.machine.upstreamRefusedBytes()
        talk.clientMore("def")
        #expect(talk.machine.place == .awaitingResponse && talk.termination == nil)
        talk.machine.receivedFromUpstream(Array(tooLarge.utf8)[...])
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 413 ") && talk.sawEnd)
    }

    @Test("an invalid body ends the request, and no later byte is parsed as another one")
    func brokenBody() {
        let request = "POST /app/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + get
        var talk = ExchangeHarness(request, backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 400 "))
        #expect(talk.client.contains("Connection: close\r\n"))
        #expect(talk.sawEnd && talk.leases == 0 && talk.requests.count == 1)
    }

    @Test("a client that leaves during its body returns the lease")
    func leavesInBody() {
        var talk = ExchangeHarness(post + "abc", backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientLeft)
    }
}
