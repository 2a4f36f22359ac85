@testable import OnDemand

/// Messages that many conversations are made of.
extension ExchangeTalk {
    /// A request for the app.
    static let get = "GET /app/x?y=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"

    /// The same, as its backend reads it.
    static let getUpstream =
        "GET /x?y=1 HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 10.0.0.9\r\nConnection: close\r\n\r\n"

    /// A whole answer.
    static let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    /// RFC 6455, 1.3.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    /// The answer to the key.
    static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    /// A browser asks for the cable.
    static let upgradeRequest =
        "GET /cable HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key)\r\nOrigin: http://a\r\n\r\n"

    /// The backend agrees.
    static let switched =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"
}
