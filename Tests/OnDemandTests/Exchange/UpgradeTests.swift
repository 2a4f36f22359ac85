import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello
private let key = ExchangeHarness.key
private let accept = ExchangeHarness.accept
private let upgradeRequest = ExchangeHarness.upgradeRequest
private let switched = ExchangeHarness.switched

struct UpgradeTests {
    @Test("a 101 opens the tunnel with its head and early frames, in every split of the backend's bytes")
    func tunnel() {
        for pieces in Splits.all(of: Array((switched + "early").utf8)) {
            var talk = ExchangeHarness(upgradeRequest, backends: .init(pieces: pieces))
            talk.run()
            let passedOn = Array(talk.client.utf8) + (talk.tunnel?.toClient ?? [])
            #expect(Array((switched + "early").utf8).starts(with: passedOn))
            #expect(passedOn.count >= switched.utf8.count, "the tunnel reads the rest")
            #expect(talk.tunnel != nil && talk.leases == 1)
        }
    }

    @Test("an eager client's bytes behind its head follow it to the backend, in every split")
    func eagerClient() {
        let bytes = Array((upgradeRequest + "eager").utf8)
        for pieces in Splits.all(of: bytes) {
            var talk = ExchangeHarness(pieces: pieces, backends: [.init(switched)])
            talk.run()
            let unread = talk.clientSends.flatMap { $0 }
            let upstream = (talk.tunnel?.toUpstream ?? []) + unread
            #expect(upstream == Array("eager".utf8))
            #expect(talk.requests.first?.hasSuffix("\r\n\r\n") == true)
        }
    }

    @Test("the upgrade is forwarded with all its fields")
    func upstreamHead() {
        var talk = ExchangeHarness(upgradeRequest, backends: .init(switched))
        talk.run()
        #expect(
            talk.requests == [
                "GET /cable HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\n"
                    + "Origin: http://a\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
                    + "Forwarded: for=10.0.0.9;host=a;proto=http\r\nX-Request-Id: 0000000000000007-1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            ])
    }

    @Test(
        "a 101 without this client's accept value opens nothing: 502",
        arguments: [
            switched.replacing(accept, with: "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            switched.replacing("Sec-WebSocket-Accept: \(accept)\r\n", with: ""),
            switched.replacing("Upgrade: websocket", with: "Upgrade: h2c"),
            switched.replacing("Connection: Upgrade\r\n", with: ""),
            switched.replacing("Upgrade: websocket", with: "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA"),
        ])
    func wrongAnswer(response: String) {
        var talk = ExchangeHarness(upgradeRequest, backends: .init(response + "early"))
        talk.run()
        #expect(talk.tunnel == nil && talk.leases == 0)
        #expect(talk.client.hasPrefix("HTTP/1.1 502 ") && !talk.client.contains("early"))
    }

    @Test("a 101 without an upgrade is a 502, and the following bytes are discarded")
    func unasked() {
        for request in [get, upgradeRequest.replacing("/cable", with: "/app/x")] {
            var talk = ExchangeHarness(request, backends: .init(switched + "early"))
            talk.run()
            #expect(talk.tunnel == nil)
            #expect(talk.client.hasPrefix("HTTP/1.1 502 ") && !talk.client.contains("early"))
            #expect(!talk.requests[0].contains("Upgrade"))
        }
    }

    @Test("a response that rejects an upgrade is forwarded, and the connection serves the next request")
    func refusedByBackend() {
        let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        for pieces in Splits.all(of: Array(refusal.utf8)) {
            var talk = ExchangeHarness(upgradeRequest, backends: .init(pieces: pieces), .init(hello))
            talk.run()
            #expect(talk.client == refusal)
            #expect(talk.leases == 0 && talk.machine.place == .readingHead)
            talk.clientMore(get)
            #expect(talk.client == refusal + hello)
        }
    }

    @Test("an eager client's bytes behind a rejected upgrade are not parsed as a request")
    func refusedEager() {
        let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
        var talk = ExchangeHarness(upgradeRequest + get, backends: .init(refusal), .init(hello))
        talk.run()
        #expect(talk.client == "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        #expect(talk.sawEnd && talk.requests.count == 1)
    }

    @Test("an eager client's bytes behind a failed upgrade are not parsed as a request")
    func brokenEager() {
        var talk = ExchangeHarness(upgradeRequest + get, backends: .init("junk\r\n\r\n"), .init(hello))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 502 ") && talk.sawEnd && talk.requests.count == 1)
    }

    @Test("an upgrading client that leaves before its response returns the lease")
    func leaves() {
        var talk = ExchangeHarness(upgradeRequest, backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientLeft)
    }

    @Test("an incomplete upgrade is rejected and wakes no backend")
    func halfAsked() {
        var talk = ExchangeHarness(upgradeRequest.replacing("Sec-WebSocket-Key: \(key)\r\n", with: ""))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 400 ") && talk.requests.isEmpty && talk.sawEnd)
    }
}
