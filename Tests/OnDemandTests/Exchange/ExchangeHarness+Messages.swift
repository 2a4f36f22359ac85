@testable import OnDemand

/// Messages that many tests use.
extension ExchangeHarness {
    /// A request to the app.
    static let get = "GET /app/x?y=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"

    /// The same request as its backend gets it.
    static let getUpstream = getUpstream(1)

    /// The same as the n-th request of its connection.
    static func getUpstream(_ number: Int) -> String {
        "GET /x?y=1 HTTP/1.1\r\nHost: example.com\r\n\(told(number))Connection: close\r\n\r\n"
    }

    /// The added headers of the n-th request.
    static func told(_ number: Int = 1) -> String {
        "X-Forwarded-Proto: http\r\nX-Forwarded-Host: example.com\r\n"
            + "Forwarded: for=10.0.0.9;host=example.com;proto=http\r\n"
            + "X-Request-Id: 0000000000000007-\(number)\r\nX-Forwarded-For: 10.0.0.9\r\n"
    }

    /// A complete response.
    static let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    /// RFC 6455, 1.3.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    /// The accept value of the key.
    static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    /// An upgrade request of a browser.
    static let upgradeRequest =
        "GET /cable HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\nOrigin: http://a\r\n\r\n"

    /// The 101 response of the backend.
    static let switched =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"
}
