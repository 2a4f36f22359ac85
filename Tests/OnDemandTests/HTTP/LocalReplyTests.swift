import Testing

@testable import OnDemand

@Suite struct LocalReplyTests {
    @Test("a local reply is one line of text that must not be cached")
    func rendering() {
        let response = LocalReply(status: 503, body: "Starting.", retryAfterSeconds: 5)
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

    @Test("a program gets an object, with the request identifier of the log")
    func json() {
        var response = LocalReply(status: 503, body: "The service \"a\" rests.", retryAfterSeconds: 5)
        let context = LocalReply.ReplyContext(form: .json, requestID: "0f-1")
        #expect(
            response.content(for: context)
                == #"{"error":"The service \"a\" rests.","status":503,"id":"0f-1","retry_after":5}"# + "\n")
        response.retryAfterSeconds = nil
        #expect(response.content(for: context).hasSuffix(#""retry_after":null}"# + "\n"))
        let text = String(decoding: response.rendered(for: context, keepAlive: true, headOnly: true), as: UTF8.self)
        #expect(text.contains("\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"))
        #expect(text.contains("\r\nCache-Control: no-store\r\nX-Request-Id: 0f-1\r\n"))
    }

    @Test("a browser gets a page that loads, runs and reloads nothing, and escapes all text")
    func page() {
        let response = LocalReply(status: 503, body: "<b>&\"'</b>", retryAfterSeconds: 1)
        let page = response.content(for: .init(form: .html, requestID: "0f-1"))
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        #expect(page.contains("<p>&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;</p>"))
        #expect(page.contains("<code>0f-1</code>") && page.contains("Retry in 1 second."))
        #expect(page.contains("<h1>Service Unavailable</h1>") && page.contains("<footer>503"))
        for word in ["<script", "http-equiv", "href", "src=", "http:"] { #expect(!page.contains(word), "\(word)") }
        let bare = LocalReply(status: 404, body: "Nothing.").content(for: .init(form: .html))
        #expect(!bare.contains("Retry in") && !bare.contains("<code>"))
    }

    @Test(
        "its length is in bytes, and the daemon's own parser agrees, in every format",
        arguments: [200, 400, 404, 418, 502, 599], ResponseFormat.allCases)
    func selfConsistent(status: Int, form: ResponseFormat) throws {
        let response = LocalReply(status: status, body: "größer", fields: [.init(name: "X-A", value: "1")])
        let bytes = response.rendered(for: .init(form: form, requestID: "ab-1"), keepAlive: true, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.status == status && head.wantsKeepAlive)
        #expect(head.text(of: "x-a", in: bytes.span) == "1")
        let framing = try BodyFraming.ofResponse(head, in: bytes.span, toHeadRequest: false)
        #expect(framing == .length(UInt64(bytes.count - head.byteCount)))
        #expect(!String(bytes.span, head.reason).isEmpty)
    }

    @Test("a status without a body gets none", arguments: [204, 304])
    func withoutBody(status: Int) throws {
        let bytes = LocalReply(status: status, body: "text").rendered(keepAlive: false, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.byteCount == bytes.count)
        #expect(head.values(of: .contentLength).isEmpty)
    }

    @Test("a rejected head or body has its own reason")
    func refusals() throws {
        #expect(LocalReply(refusing: HeadError.missingHost).body == "The Host field is missing.")
        #expect(LocalReply(refusing: FramingError.bodyTooLarge).status == 413)
        let bytes = LocalReply(refusing: .upgradeVersionUnsupported).rendered(keepAlive: false, headOnly: false)
        let head = try responseHead(bytes)
        #expect(head.status == 426)
        #expect(head.text(of: .secWebSocketVersion, in: bytes.span) == "13")
        #expect(head.has("upgrade", in: .connection, of: bytes.span) && !head.wantsKeepAlive)
    }

    @Test("every status of the daemon has its phrase")
    func phrases() {
        for status in [200, 400, 403, 404, 408, 413, 414, 421, 426, 429, 431, 500, 501, 502, 503, 504, 505] {
            #expect(LocalReply.reason(of: status) != "Unknown", "\(status)")
        }
        #expect(LocalReply.reason(of: 431) == "Request Header Fields Too Large")
        #expect(LocalReply.reason(of: 599) == "Unknown")
    }
}
