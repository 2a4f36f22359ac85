import Testing

@testable import OnDemand

@Suite struct StatusResponseTests {
    private static let resources: [(StatusResource, type: String)] = [
        (.page, "text/html; charset=utf-8"), (.snapshot, "application/json"), (.health, "text/plain; charset=utf-8"),
        (.readiness, "text/plain; charset=utf-8"), (.metrics, "text/plain; version=0.0.4; charset=utf-8"),
    ]

    @Test("the daemon's own parser agrees with the head and the length", arguments: [true, false])
    func selfConsistent(keepAlive: Bool) throws {
        for (resource, type) in Self.resources {
            let bytes = StatusResponse.of(resource, .sample(), keepAlive: keepAlive, headOnly: false)
            let head = try responseHead(bytes)
            #expect(head.status == 200 && head.wantsKeepAlive == keepAlive)
            #expect(head.text(of: .contentType, in: bytes.span) == type)
            #expect(head.text(of: "cache-control", in: bytes.span) == "no-store")
            #expect(head.text(of: "x-content-type-options", in: bytes.span) == "nosniff")
            let framing = try BodyFraming.ofResponse(head, in: bytes.span, toHeadRequest: false)
            #expect(framing == .length(UInt64(bytes.count - head.byteCount)))
            let headOnly = StatusResponse.of(resource, .sample(), keepAlive: keepAlive, headOnly: true)
            #expect(headOnly == Array(bytes[..<head.byteCount]))
        }
    }

    @Test("the page may load no resource and cannot be framed")
    func policy() throws {
        let bytes = StatusResponse.of(.page, .sample(), keepAlive: false, headOnly: true)
        let policy = try #require(try responseHead(bytes).text(of: "content-security-policy", in: bytes.span))
        for rule in ["default-src 'none'", "connect-src 'self' ws: wss:", "base-uri 'none'", "frame-ancestors 'none'"] {
            #expect(policy.contains(rule), "\(rule)")
        }
    }

    @Test("the page contains no address except the daemon's own")
    func selfContained() {
        let page = String(decoding: StatusPage.bytes, as: UTF8.self)
        let addresses = page.matches(of: /https?:\/\/[^"' ]+/).map { String($0.output) }
        #expect(Set(addresses) == ["http://www.w3.org/2000/svg"], "a name of the format, not an address that is loaded")
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        #expect(!page.contains("innerHTML"), "names and messages are text wherever they come from")
    }

    @Test("the health response is one word")
    func health() {
        let text = String(
            decoding: StatusResponse.of(.health, .sample(), keepAlive: true, headOnly: false), as: UTF8.self)
        #expect(text.hasSuffix("\r\n\r\nok\n"))
    }

    @Test("readiness fails during a shutdown, and health does not")
    func readiness() throws {
        var snapshot = Snapshot.sample()
        let ready = StatusResponse.of(.readiness, snapshot, keepAlive: true, headOnly: false)
        #expect(
            try responseHead(ready).status == 200 && String(decoding: ready, as: UTF8.self).hasSuffix("\r\n\r\nready\n")
        )
        snapshot.isShuttingDown = true
        let leaving = StatusResponse.of(.readiness, snapshot, keepAlive: false, headOnly: false)
        #expect(try responseHead(leaving).status == 503)
        #expect(String(decoding: leaving, as: UTF8.self).hasSuffix("\r\n\r\nshutting down\n"))
        let health = StatusResponse.of(.health, snapshot, keepAlive: false, headOnly: false)
        #expect(try responseHead(health).status == 200)
    }

    @Test("an event stream has no length, ends with its connection, and HEAD gets only its head")
    func streamHead() throws {
        let bytes = StatusResponse.of(.events, .sample(), keepAlive: true, headOnly: true)
        let head = try responseHead(bytes)
        #expect(head.byteCount == bytes.count && !head.wantsKeepAlive)
        #expect(head.text(of: .contentType, in: bytes.span) == "text/event-stream")
        #expect(head.values(of: .contentLength).isEmpty)
        #expect(StatusResponse.eventStreamHead == bytes + Array("retry: 1000\n\n".utf8))
    }

    @Test("an event is one line of data, whatever the snapshot contains")
    func event() throws {
        let text = String(decoding: StatusResponse.event(.sample()), as: UTF8.self)
        #expect(text.hasPrefix("data: {") && text.hasSuffix("}\n\n"))
        #expect(text.dropLast(2).allSatisfy { !$0.isNewline })
        #expect(text.dropFirst(6).dropLast(2) == StatusJSON.text(of: .sample()))
    }
}
