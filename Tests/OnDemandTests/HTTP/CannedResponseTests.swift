import Testing

@testable import OnDemand

@Suite struct CannedResponseTests {
    @Test("a refusal is one line of text that nobody may keep")
    func rendering() {
        let response = CannedResponse(status: 503, body: "Starting.", retryAfterSeconds: 5)
        let head = """
            HTTP/1.1 503 Service Unavailable\r
            Content-Type: text/plain; charset=utf-8\r
            Content-Length: 10\r
            Cache-Control: no-store\r
            Retry-After: 5\r
            Connection: close\r
            \r

            """
        #expect(
            String(decoding: response.rendered(keepAlive: false, headOnly: false), as: UTF8.self) == head
                + "Starting.\n")
        #expect(String(decoding: response.rendered(keepAlive: false, headOnly: true), as: UTF8.self) == head)
    }

    @Test(
        "its length counts bytes, and our own parser agrees with all of it", arguments: [200, 400, 404, 418, 502, 599])
    func selfConsistent(status: Int) throws {
        let response = CannedResponse(status: status, body: "größer", fields: [.init(name: "X-A", value: "1")])
        let bytes = response.rendered(keepAlive: true, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.status == status && head.wantsKeepAlive)
        #expect(head.text(of: "x-a", in: bytes.span) == "1")
        let framing = try BodyFraming.ofResponse(head, in: bytes.span, toHeadRequest: false)
        #expect(framing == .length(UInt64(bytes.count - head.byteCount)))
        #expect(!String(bytes.span, head.reason).isEmpty)
    }

    @Test("a status without a body gets none", arguments: [204, 304])
    func withoutBody(status: Int) throws {
        let bytes = CannedResponse(status: status, body: "text").rendered(keepAlive: false, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.byteCount == bytes.count)
        #expect(head.values(of: "content-length", in: bytes.span).isEmpty)
    }

    @Test("a refused head or body is told its own reason")
    func refusals() throws {
        #expect(CannedResponse(refusing: HeadError.missingHost).body == "The Host field is missing.")
        #expect(CannedResponse(refusing: FramingError.bodyTooLarge).status == 413)
        let bytes = CannedResponse(refusing: .upgradeVersionUnsupported).rendered(keepAlive: false, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.status == 426)
        #expect(head.text(of: "sec-websocket-version", in: bytes.span) == "13")
        #expect(head.has("upgrade", in: "connection", of: bytes.span) && !head.wantsKeepAlive)
    }

    @Test("every status the daemon gives has its phrase")
    func phrases() {
        for status in [200, 400, 403, 404, 408, 413, 414, 421, 426, 429, 431, 500, 501, 502, 503, 504, 505] {
            #expect(CannedResponse.reason(of: status) != "Unknown", "\(status)")
        }
        #expect(CannedResponse.reason(of: 431) == "Request Header Fields Too Large")
        #expect(CannedResponse.reason(of: 599) == "Unknown")
    }
}
