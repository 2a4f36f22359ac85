/// One request of a client, from its complete head to the end of its exchange.
///
/// A class, because the phases of `ExchangeMachine` hand it on: a reference moves at no cost, and the request is
/// changed in place. One machine owns it.
class RequestInFlight {
    private(set) var parsed: ParsedRequest
    /// Whether the connection stays open for another request, as far as the request decides it.
    var wantsKeepAlive: Bool
    var body: BodyReader
    /// For a client that has ended its direction: progress at the last check, and how many consecutive checks were
    /// equal.
    var lastProgress = (moved: 0, bytes: 0, checks: 0)

    init(_ parsed: ParsedRequest, wantsKeepAlive: Bool, body: BodyReader) {
        self.parsed = parsed
        self.wantsKeepAlive = wantsKeepAlive
        self.body = body
    }

    /// The service of the request's path; nil without one.
    var service: BackendID? { parsed.service }

    /// Method and target as received, for the log.
    var line: String { parsed.head.line }

    /// For the log: the query of a cable's client may have its token, also when its handshake is rejected, and that of
    /// a command its parameters.
    var shownLine: String { parsed.hidesQuery ? String(line.prefix { $0 != "?" }) : line }

    /// Request ID in logs.
    var id: String { parsed.head.text(of: parsed.identity) }

    /// The token of a cable's client was accepted: it may expire while the backend starts.
    func note(identifiers: [UInt8]?) { parsed.note(identifiers: identifiers) }

    /// Whether these unread bytes follow a head that asked for a tunnel; they are not a request.
    func hasTunnelBytes(_ unread: [UInt8]) -> Bool { parsed.askedForTunnel && !unread.isEmpty }

    /// Whether the connection stays open behind a response that is made now.
    func staysOpen(_ unread: [UInt8]) -> Bool { wantsKeepAlive && body.isFinished && !hasTunnelBytes(unread) }
}

/// What log lines and the status page show; computed only for queued requests.
extension RequestInFlight {
    /// The path without the query, because queries may contain secrets.
    var shownPath: String {
        let target = line.split(separator: " ", maxSplits: 1).last ?? ""
        return (target.split(separator: "?", maxSplits: 1).first ?? "").shown
    }

    var shownAgent: String? { parsed.head.userAgent?[...].shown }
}

extension Substring {
    fileprivate var shown: String { String(decoding: utf8.prefix(Limits.shownBytes), as: UTF8.self) }
}
