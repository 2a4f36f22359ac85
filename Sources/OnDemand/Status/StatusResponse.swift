/// What the status listener answers, as whole HTTP responses made from a snapshot.
enum StatusResponse {
    /// The head of a stream of server-sent events (HTML Living Standard, 9.2).
    static let eventStreamHead = Array(
        """
        HTTP/1.1 200 OK\r
        Content-Type: text/event-stream\r
        Cache-Control: no-store\r
        Connection: close\r
        \r

        """.utf8)

    static func event(_ snapshot: Snapshot) -> [UInt8] {
        Array("data: {}\n\n".utf8)
    }

    static func of(_ resource: StatusResource, _ snapshot: Snapshot, keepAlive: Bool, headOnly: Bool) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)
    }
}
