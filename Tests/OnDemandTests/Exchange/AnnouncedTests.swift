import Testing

@testable import OnDemand

/// Connections with a PROXY header.
struct AnnouncedTests {
    private static let header = "PROXY TCP4 198.51.100.7 127.0.0.1 40000 443\r\n"
    private static let request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

    private static let rules: ExchangeRules = {
        let route = Route(pattern: .fixed("/*"), destination: .backend(BackendID(index: 0)))
        let service = ServiceRules(name: "a", targetPath: nil, authority: "", webSocket: true, headers: [])
        return ExchangeRules(routes: RouteTable([route]), services: [service], expectsProxyHeader: true)
    }()

    private func talk(_ pieces: [[UInt8]]) -> ExchangeHarness {
        ExchangeHarness(pieces: pieces, rules: Self.rules, backends: [.init(ExchangeHarness.hello)])
    }

    @Test("the client address comes from the PROXY header, in every split, and the request follows it")
    func proxyProtocol() {
        for pieces in Splits.all(of: Array((Self.header + Self.request).utf8)) {
            var talk = talk(pieces)
            talk.run()
            #expect(talk.client == ExchangeHarness.hello)
            #expect(talk.requests.first?.contains("\r\nX-Forwarded-For: 198.51.100.7\r\n") == true)
            #expect(talk.machine.peer.description == "198.51.100.7:40000")
        }
    }

    @Test("a client with TLS to the proxy has the scheme https")
    func encrypted() {
        let block: [UInt8] =
            [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2]
            + [0x20, 0, 5, 1, 0, 0, 0, 0]
        var talk = talk([block + Array(Self.request.utf8)])
        talk.run()
        #expect(talk.requests.first?.contains("\r\nX-Forwarded-Proto: https\r\n") == true)
    }

    @Test("a connection without a PROXY header gets 400 and wakes no backend")
    func missing() {
        var talk = talk([Array(Self.request.utf8)])
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 400 ") && talk.client.contains("begin with a PROXY header"))
        #expect(talk.sawEnd && talk.requests.isEmpty)
    }

    @Test("a PROXY header has the timeout of a head, and its end is no error")
    func deadline() {
        var talk = talk([Array("PROXY TCP4 ".utf8)])
        talk.run()
        #expect(talk.deadline == .head)
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientClosed)
    }

    @Test("a client beyond its connection limit is rejected before its request")
    func rejected() {
        var talk = talk([Array((Self.header + Self.request).utf8)])
        talk.mayStay = false
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 503 ") && talk.sawEnd && talk.requests.isEmpty)
    }
}
