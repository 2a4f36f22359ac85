/// The HTTP responses of the status listener, made from a snapshot.
enum StatusResponse {
    /// The head of a stream of server-sent events (HTML Living Standard, 9.2), with the delay before a reconnect in ms.
    static let eventStreamHead = headOfEvents + Array("retry: 1000\n\n".utf8)

    /// Returns one event. JSON contains no raw line end, which would end the event.
    static func event(_ snapshot: Snapshot) -> [UInt8] {
        Array("data: \(StatusJSON.text(of: snapshot))\n\n".utf8)
    }

    static func of(_ resource: StatusResource, _ snapshot: Snapshot, keepAlive: Bool, headOnly: Bool) -> [UInt8] {
        let response: (type: String, fields: String, body: [UInt8])
        var status = "200 OK"
        switch resource {
        case .events: return headOfEvents
        case .page: response = ("text/html; charset=utf-8", pageFields, StatusPage.bytes)
        case .snapshot:
            return ofJSON(StatusJSON.text(of: snapshot), keepAlive: keepAlive, headOnly: headOnly)
        case .history, .service: preconditionFailure("\(resource) is not served from a snapshot")
        case .metrics:
            response = ("text/plain; version=0.0.4; charset=utf-8", "", Array(Metrics.text(of: snapshot).utf8))
        case .health: response = (plainText, "", Array("ok\n".utf8))
        case .readiness where snapshot.isShuttingDown:
            status = "503 Service Unavailable"
            response = (plainText, "", Array("shutting down\n".utf8))
        case .readiness: response = (plainText, "", Array("ready\n".utf8))
        }
        let head = head(status, response.type, response.body.count, response.fields, keepAlive: keepAlive)
        return headOnly ? head : head + response.body
    }

    static func ofJSON(_ text: String, keepAlive: Bool, headOnly: Bool) -> [UInt8] {
        let body = Array((text + "\n").utf8)
        let head = head("200 OK", "application/json", body.count, "", keepAlive: keepAlive)
        return headOnly ? head : head + body
    }

    private static func head(
        _ status: String, _ type: String, _ length: Int, _ fields: String, keepAlive: Bool
    ) -> [UInt8] {
        let head = """
            HTTP/1.1 \(status)\r
            Content-Type: \(type)\r
            Content-Length: \(length)\r
            \(commonFields)\(fields)Connection: \(keepAlive ? "keep-alive" : "close")\r
            \r

            """
        return Array(head.utf8)
    }

    private static let plainText = "text/plain; charset=utf-8"

    private static let headOfEvents = Array(
        """
        HTTP/1.1 200 OK\r
        Content-Type: text/event-stream\r
        \(commonFields)Connection: close\r
        \r

        """.utf8)

    /// Responses must not be cached.
    private static let commonFields = """
        Cache-Control: no-store\r
        X-Content-Type-Options: nosniff\r

        """

    /// The page loads nothing from other origins, connects only to this host (WebSockets use another port, hence the
    /// schemes) and cannot be framed, which prevents clickjacking.
    private static let pageFields = """
        Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
        connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; frame-ancestors 'none'\r
        Referrer-Policy: no-referrer\r

        """
}
