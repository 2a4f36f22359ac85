import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello

struct BrokenBackendTests {
    private func response(of backend: ExchangeHarness.Backend) -> ExchangeHarness {
        var talk = ExchangeHarness(get + get, backends: backend, .init(hello))
        talk.run()
        return talk
    }

    @Test("a backend that exits before its response causes 502, and the connection serves the next request")
    func beforeHead() {
        for end: ExchangeHarness.Backend.End in [.closes, .breaks] {
            for beginning in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Le"] {
                let pieces = beginning.isEmpty ? [] : [Array(beginning.utf8)]
                let talk = response(of: .init(pieces: pieces, end: end))
                #expect(talk.client.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
                #expect(talk.client.hasSuffix("\n" + hello))
                #expect(!talk.client.contains("Content-Le\r") && !talk.client.contains("HTTP/1.1 2\r"))
                #expect(talk.leases == 0)
            }
        }
    }

    @Test(
        "a backend that exits during its response leaves it visibly incomplete, and no bytes follow",
        arguments: ["Content-Length: 500", "Transfer-Encoding: chunked"])
    func withinBody(framing: String) {
        for end: ExchangeHarness.Backend.End in [.closes, .breaks] {
            let talk = response(of: .init("HTTP/1.1 200 OK\r\n\(framing)\r\n\r\n", "3\r\nab", end: end))
            #expect(talk.client == "HTTP/1.1 200 OK\r\n\(framing)\r\n\r\n3\r\nab")
            #expect(talk.termination == .upstreamReset && !talk.sawEnd)
            #expect(talk.requests.count == 1 && talk.leases == 0)
        }
    }

    @Test("a backend that exits after its response has no effect")
    func afterAnswer() {
        for end: ExchangeHarness.Backend.End in [.closes, .breaks] {
            #expect(response(of: .init(hello, end: end)).client == hello + hello)
        }
    }

    @Test(
        "an invalid or ambiguous response is a 502, and none of its bytes are forwarded",
        arguments: [
            "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
            "HTTP/1.1 600 Odd\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ])
    func garbage(bytes: String) {
        let talk = response(of: .init(bytes))
        #expect(talk.client.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
        #expect(talk.client.hasSuffix("\n" + hello), "the next request is a fresh one")
        #expect(!talk.client.contains("OpenSSH") && !talk.client.contains("folded"))
    }

    @Test("a response head without an end is rejected at its limit")
    func endlessHead() {
        let line = "X-Line: \(String(repeating: "x", count: 1000))\r\n"
        let lines = Array(repeating: Array(line.utf8), count: 100)
        let talk = response(of: .init(pieces: [Array("HTTP/1.1 200 OK\r\n".utf8)] + lines))
        #expect(talk.client.hasPrefix("HTTP/1.1 502 "))
    }

    @Test("surplus bytes behind a response are discarded and never start the next response")
    func bytesBehind() {
        for pieces in Splits.all(of: Array((hello + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").utf8)) {
            let talk = response(of: .init(pieces: pieces))
            #expect(talk.client == hello + hello)
        }
    }

    @Test("a truncated response without a length also resets the client, after the received bytes")
    func withinCloseDelimitedBody() {
        let talk = response(of: .init("HTTP/1.1 200 OK\r\n\r\n", "half", end: .breaks))
        #expect(talk.client == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
        #expect(talk.termination == .upstreamReset && !talk.sawEnd && talk.requests.count == 1)
    }

    @Test("invalid chunks end the response at its last valid byte")
    func brokenChunks() {
        let talk = response(
            of: .init("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "zz\r\n"))
        #expect(talk.client == "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        #expect(talk.termination == .upstreamReset && talk.leases == 0)
    }

    @Test("a backend that refuses connections causes a 502 that names the service, and the lease is returned")
    func connectFails() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectFails
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
        #expect(talk.client.contains("The service \"app\" does not accept connections.\n"))
        #expect(talk.leases == 0 && talk.machine.place == .readingHead)
    }
}
