import Testing

@testable import OnDemand

/// R14 and R30: the request of a client that is repeated.
struct StoredRequestTests {
    private static let first = "dGhlIHNhbXBsZSBub25jZQ=="
    private static let other = Array("JFBCWHksyIpXV+6Wlq/9pw==".utf8)

    private func head(_ field: String, path: String = "/cable?jid=x") -> [UInt8] {
        let lines = [
            "GET \(path) HTTP/1.1", "Host: example.org", "Cookie: session=secret", field,
            "Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported", "", "",
        ]
        return Array(lines.joined(separator: "\r\n").utf8)
    }

    @Test(
        "R14: only the key is another one, however its field is written",
        arguments: [
            "Sec-WebSocket-Key: \(first)", "sec-websocket-key:\(first)", "SEC-WEBSOCKET-KEY: \t \(first)  ",
            "X-Other: Sec-WebSocket-Key: x\r\nSec-WebSocket-Key: \(first)",
        ])
    func anyCase(field: String) throws {
        let head = head(field)
        let request = try #require(StoredRequest(head: head))
        #expect(request.head.byteCount == head.count)
        let text = String(decoding: request.head.with(key: Self.other), as: UTF8.self)
        let expected = String(decoding: head, as: UTF8.self)
            .replacing(Self.first, with: String(decoding: Self.other, as: UTF8.self))
        #expect(text == expected)
    }

    @Test(
        "a head without a key of the usual length is not kept",
        arguments: [
            "X: y", "Sec-WebSocket-Key:", "Sec-WebSocket-Key: ", "Sec-WebSocket-Key: short",
            "Sec-WebSocket-Key: \(first)x", "Sec-WebSocket-Keys: \(first)",
        ])
    func noKey(field: String) { #expect(StoredRequest(head: head(field)) == nil) }

    @Test(
        "the agent for log lines is the field's value, without the blanks around it and not longer than is shown",
        arguments: [
            ("User-Agent:  Mozilla/5.0 (X11) ", "Mozilla/5.0 (X11)"), ("USER-AGENT:x", "x"), ("X-User-Agent: x", nil),
            ("User-Agent:", ""),
            ("User-Agent: " + String(repeating: "y", count: 5000), String(repeating: "y", count: Limits.shownBytes)),
        ])
    func agent(field: String, shown: String?) throws {
        let request = try #require(StoredRequest(head: head("\(field)\r\nSec-WebSocket-Key: \(Self.first)")))
        #expect(request.head.shownAgent == shown)
    }

    @Test("R30: a head of the limit is kept, and a longer one is not")
    func length() {
        let shortest = head("Sec-WebSocket-Key: \(Self.first)", path: "/").count
        let path = "/" + String(repeating: "x", count: Limits.storedRequestBytes - shortest)
        #expect(StoredRequest(head: head("Sec-WebSocket-Key: \(Self.first)", path: path)) != nil)
        #expect(StoredRequest(head: head("Sec-WebSocket-Key: \(Self.first)", path: path + "x")) == nil)
    }

    @Test("a head that ends anywhere is read to its end only")
    func cut() {
        let whole = head("Sec-WebSocket-Key: \(Self.first)")
        for end in whole.indices { _ = StoredRequest(head: Array(whole[..<end])) }
        #expect(StoredRequest(head: []) == nil)
    }

    @Test("R30: nothing is left of a request that was taken or wiped")
    func wiped() throws {
        let request = try #require(StoredRequest(head: head("Sec-WebSocket-Key: \(Self.first)")))
        var taken = request.takeHead()
        #expect(request.head.byteCount == 0, "what was taken has one owner")
        #expect(taken.byteCount > 0)
        taken.wipe()
        #expect(taken.byteCount == 0)
    }
}
