import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let getUpstream = ExchangeHarness.getUpstream
private let hello = ExchangeHarness.hello

struct RelayTests {
    @Test("a request and its response are the same in every split of the client's bytes")
    func clientSplits() {
        for pieces in Splits.all(of: Array(get.utf8)) {
            var talk = ExchangeHarness(pieces: pieces, backends: [.init(hello)])
            talk.run()
            #expect(talk.requests == [getUpstream])
            #expect(talk.client == hello)
            #expect(talk.machine.place == .readingHead && talk.leases == 0)
        }
    }

    @Test("a request and its response are the same in every split of the backend's bytes")
    func backendSplits() {
        for pieces in Splits.all(of: Array(hello.utf8)) {
            var talk = ExchangeHarness(get, backends: .init(pieces: pieces))
            talk.run()
            #expect(talk.client == hello)
            #expect(talk.machine.place == .readingHead && talk.leases == 0)
        }
    }

    @Test("slow readers on both sides change nothing", arguments: [1, 2, 7])
    func slowWriters(count: Int) {
        var talk = ExchangeHarness(get + get, backends: .init(hello), .init(hello))
        (talk.clientTakes, talk.backendTakes) = (count, count)
        talk.run()
        #expect(talk.requests == [getUpstream, ExchangeHarness.getUpstream(2)])
        #expect(talk.client == hello + hello)
    }

    @Test("pipelined requests get their responses one after the other, each on its own connection")
    func pipelined() {
        let second = "GET /app/2 HTTP/1.1\r\nHost: example.com\r\n\r\n"
        let other = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
        for pieces in Splits.all(of: Array((get + second).utf8)) {
            var talk = ExchangeHarness(pieces: pieces, backends: [.init(hello), .init(other)])
            talk.run()
            #expect(talk.requests.count == 2 && talk.requests[0] == getUpstream)
            #expect(talk.requests.last?.hasPrefix("GET /2 ") == true)
            #expect(talk.client == hello + other)
        }
    }

    @Test("a body with a length is forwarded unchanged, in every split, and the next request follows it")
    func bodyWithLength() {
        let post = "POST /app/x HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\nname=GET "
        let sent =
            "POST /x HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n"
            + "\(ExchangeHarness.told())Connection: close\r\n\r\nname=GET "
        for pieces in Splits.all(of: Array((post + get).utf8)) {
            var talk = ExchangeHarness(
                pieces: pieces,
                backends: [.init(pieces: [Array(hello.utf8)], readsFirst: sent.utf8.count), .init(hello)])
            talk.run()
            #expect(talk.requests == [sent, ExchangeHarness.getUpstream(2)])
            #expect(talk.client == hello + hello)
        }
    }

    @Test("a chunked body is forwarded in one form, with its trailers, in every split")
    func chunkedBody() {
        let body = "04 ;a=b\r\nwiki\r\n5\r\npedia\r\n0\r\nX-Forwarded-For: 1\r\nX-Sum: 1\r\n\r\n"
        let written = "4\r\nwiki\r\n5\r\npedia\r\n0\r\nX-Sum: 1\r\n\r\n"
        let post = "POST /app/x HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
        let sent =
            "POST /x HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n"
            + "\(ExchangeHarness.told())Connection: close\r\n\r\n\(written)"
        for pieces in Splits.all(of: Array((post + get).utf8)) {
            var talk = ExchangeHarness(
                pieces: pieces,
                backends: [.init(pieces: [Array(hello.utf8)], readsFirst: sent.utf8.count), .init(hello)])
            talk.run()
            #expect(talk.requests == [sent, ExchangeHarness.getUpstream(2)])
            #expect(talk.client == hello + hello)
        }
    }

    @Test("a chunked response is forwarded unchanged, in every split, and the connection stays open")
    func chunkedAnswer() {
        let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        for pieces in Splits.all(of: Array(response.utf8)) {
            var talk = ExchangeHarness(
                pieces: [Array((get + get).utf8)], backends: [.init(pieces: pieces), .init(hello)])
            talk.run()
            #expect(talk.client == response + hello)
        }
    }

    @Test("a response that ends with its connection ends the client's, too", arguments: [0, 1, 5])
    func closeDelimited(count: Int) {
        let body = String(repeating: "x", count: count)
        var talk = ExchangeHarness(get + get, backends: .init("HTTP/1.1 200 OK\r\n\r\n", body, end: .closes))
        if count == 0 { talk.backends[0].says.removeLast() }
        talk.run()
        #expect(talk.client == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\(body)")
        #expect(talk.sawEnd)
        #expect(talk.requests.count == 1, "the second response cannot be told from the first")
    }

    @Test(
        "a response to HEAD, a 204 and a 304 end with their head, whatever length they have",
        arguments: [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
            ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ])
    func withoutBody(method: String, response: String) {
        let request = get.replacing("GET", with: method, maxReplacements: 1)
        for pieces in Splits.all(of: Array(response.utf8)) {
            var talk = ExchangeHarness(
                pieces: [Array((request + get).utf8)], backends: [.init(pieces: pieces), .init(hello)])
            talk.run()
            #expect(talk.client == response + hello)
            #expect(talk.leases == 0)
        }
    }

    @Test("interim responses are forwarded before the response, in every split")
    func interim() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        for pieces in Splits.all(of: Array((interim + hello).utf8)) {
            var talk = ExchangeHarness(get, backends: .init(pieces: pieces))
            talk.run()
            #expect(talk.client == interim + hello)
        }
    }

    @Test("a flood of interim responses is a 502, and a usual number of them passes")
    func interimFlood() {
        for (count, isPassed) in [(Limits.interimAnswersPerRead, true), (Limits.interimAnswersPerRead + 1, false)] {
            let interim = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: count)
            var talk = ExchangeHarness(get, backends: .init(interim + hello))
            talk.run()
            #expect(talk.client.hasSuffix(hello) == isPassed)
            #expect(talk.client.contains("HTTP/1.1 502 Bad Gateway") != isPassed)
        }
    }

    @Test("an HTTP/1.0 client gets no interim response and no chunk, and its backend gets HTTP/1.0")
    func oldClient() {
        let request = "GET /app/x HTTP/1.0\r\n\r\n"
        var talk = ExchangeHarness(request, backends: .init("HTTP/1.1 100 Continue\r\n\r\n" + hello))
        talk.run()
        #expect(talk.requests.first?.hasPrefix("GET /x HTTP/1.0\r\nHost: 127.0.0.1:2\r\n") == true)
        #expect(talk.client == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        #expect(talk.sawEnd)

    }

    @Test("an HTTP/1.0 client gets the content of chunks, in every split, and then the end of its connection")
    func oldClientAndChunks() {
        let request = "GET /app/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        let response =
            "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "4;a=b\r\nwiki\r\n5\r\npedia\r\n0\r\nX: 1\r\n\r\n"
        for pieces in Splits.all(of: Array(response.utf8)) {
            var talk = ExchangeHarness(pieces: [Array(request.utf8)], backends: [.init(pieces: pieces)])
            talk.run()
            #expect(talk.client == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwikipedia")
            #expect(talk.sawEnd && talk.leases == 0)
        }
        var broken = ExchangeHarness(request, backends: .init(String(response.dropLast(20)), end: .closes))
        broken.run()
        #expect(broken.termination == .upstreamReset, "half of it must not look like all of it")
    }

    @Test("an HTTP/1.0 client with keep-alive keeps its connection")
    func oldClientKeepsAlive() {
        let request = "GET /app/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        var talk = ExchangeHarness(request + request, backends: .init(hello), .init(hello))
        talk.run()
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
        #expect(talk.client == response + response)
    }

    @Test("a client with Connection: close is closed after its response")
    func clientCloses() {
        let request = "GET /app/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        var talk = ExchangeHarness(request + get, backends: .init(hello))
        talk.run()
        #expect(talk.client == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        #expect(talk.sawEnd && talk.machine.place == .lingering)
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .done)
    }

    @Test("a backend with Connection: close ends its own connection, not the client's")
    func backendCloses() {
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        var talk = ExchangeHarness(get + get, backends: .init(response, end: .closes), .init(hello))
        talk.run()
        #expect(talk.client == hello + hello)
    }

    @Test("the lease is returned when the backend has sent everything, however slow the client")
    func leaseFirst() {
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.clientTakes = 0
        talk.run()
        #expect(talk.leases == 0 && talk.client == "")
        talk.clientTakes = Int.max
        talk.run()
        #expect(talk.client == hello)
    }

    @Test("a client that half-closes after its request still gets the response")
    func halfClose() {
        var talk = ExchangeHarness(get, backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == nil)
        talk.machine.receivedFromUpstream(Array(hello.utf8)[...])
        talk.run()
        #expect(talk.client == hello)
        #expect(talk.termination == .clientClosed)
    }
}
