/// A response of the daemon itself: one sentence in the format that the client accepts.
struct LocalReply: Equatable, Sendable {
    struct Field: Equatable, Sendable {
        let name: String
        let value: String
    }

    let status: Int
    /// One line without line end.
    let body: String
    var retryAfterSeconds: Int64?
    var fields: [Field] = []
    /// Key of the limit that was reached, for the log; nil without one.
    var limit: String?
    /// Whether a wrong secret was sent, for the log.
    var isWrongSecret = false
    /// A JSON text that is sent in place of the sentence, whatever the client accepts.
    var jsonText: String?

    /// The client's format and request ID.
    struct ReplyContext {
        var form = ResponseFormat.text
        /// ID of the request in the log; nil without a request.
        var requestID: String?
    }

    /// Returns the whole response. `headOnly` omits the body, for HEAD (RFC 9110, 9.3.2).
    func rendered(for context: ReplyContext = ReplyContext(), keepAlive: Bool, headOnly: Bool) -> [UInt8] {
        let text = jsonText.map { $0 + "\n" } ?? content(for: context)
        let mayHaveBody = status >= 200 && status != 204 && status != 304
        // One array, because it is written for each broadcast of a program.
        var reply: [UInt8] = []
        reply.reserveCapacity(512 + text.utf8.count)
        reply += "HTTP/1.1 ".utf8
        reply.appendDecimal(status)
        reply += " ".utf8
        reply += Self.reason(of: status).utf8
        reply += "\r\n".utf8
        if mayHaveBody {
            reply += Self.typeFields(of: jsonText == nil ? context.form : .json).utf8
            reply += "Content-Length: ".utf8
            reply.appendDecimal(text.utf8.count)
            reply += "\r\n".utf8
        }
        reply += "Cache-Control: no-store\r\n".utf8
        if let id = context.requestID { reply.appendField("X-Request-Id", id) }
        if let retryAfterSeconds { reply.appendField("Retry-After", "\(retryAfterSeconds)") }
        for field in fields {
            precondition(field.value.utf8.allSatisfy(HTTPByte.isText), "a field value must not contain line ends")
            reply.appendField(field.name, field.value)
        }
        reply.appendField("Connection", connection(keepAlive: keepAlive))
        reply += "\r\n".utf8
        if mayHaveBody, !headOnly { reply += text.utf8 }
        return reply
    }

    /// Returns the `Connection` value. `keep-alive` is always sent: HTTP/1.0 needs it, HTTP/1.1 ignores it. `Upgrade`
    /// must be listed with the field of that name (RFC 9110, 7.8).
    private func connection(keepAlive: Bool) -> String {
        let persistence = keepAlive ? "keep-alive" : "close"
        guard !fields.isEmpty else { return persistence }
        let offersUpgrade = fields.contains { $0.name.utf8.elementsEqual("Upgrade".utf8) }
        return offersUpgrade ? "\(persistence), Upgrade" : persistence
    }
}

extension [UInt8] {
    fileprivate mutating func appendField(_ name: String, _ value: String) {
        self += name.utf8
        self += ": ".utf8
        self += value.utf8
        self += "\r\n".utf8
    }
}

extension LocalReply {
    /// The reply to an invalid head.
    init(refusing error: HeadError) {
        self.init(status: error.status, body: error.reason)
        if error == .upgradeVersionUnsupported {
            // RFC 9110, 15.5.22 and RFC 6455, 4.4.
            fields = [
                Field(name: "Upgrade", value: "websocket"), Field(name: "Sec-WebSocket-Version", value: "13"),
            ]
        }
    }

    /// The interim response that asks for a body (RFC 9110, 15.2.1).
    static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// The reply to an invalid body.
    init(refusing error: FramingError) { self.init(status: error.status, body: error.reason) }

    /// Returns the reason phrase of a status (RFC 9110, 15).
    static func reason(of status: Int) -> String {
        switch status {
        case 100..<400: successReason(of: status)
        case 400..<500: clientErrorReason(of: status)
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Unknown"
        }
    }

    private static func successReason(of status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        default: "Unknown"
        }
    }

    private static func clientErrorReason(of status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        default: "Unknown"
        }
    }
}
