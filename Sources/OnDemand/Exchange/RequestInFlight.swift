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

    /// For the log: the query of a cable's client may have its token, also when its handshake is rejected.
    var shownLine: String { parsed.isForCable ? String(line.prefix { $0 != "?" }) : line }

    /// Request ID in logs.
    var id: String { parsed.head.text(of: parsed.identity) }

    /// The token of a cable's client was accepted: it may expire while the backend starts.
    func note(identifiers: [UInt8]?) { parsed.cable?.upgrade.identifiers = identifiers }

    /// Whether these unread bytes follow a head that asked for a tunnel; they are not a request.
    func hasTunnelBytes(_ unread: [UInt8]) -> Bool { parsed.askedForTunnel && !unread.isEmpty }

    /// Whether the connection stays open behind a response that is made now.
    func staysOpen(_ unread: [UInt8]) -> Bool { wantsKeepAlive && body.isFinished && !hasTunnelBytes(unread) }
}

/// A request that goes to a backend.
final class ForwardedRequest: RequestInFlight {
    let backend: BackendID
    /// What the backend gets. The head is kept until it is sent; on a kept connection until a response arrives.
    private(set) var forwarding: Forwarding
    /// The action for a connection that breaks before any response.
    private var repetition = Repetition.never
    /// How often the request has returned to the queue because the process did not listen.
    private var returns: UInt16 = 0

    /// When a sent request may be sent again.
    enum Repetition {
        case never
        /// On a new connection: it was sent on a kept one.
        case onFreshConnection
        /// When the process listens again: this generation has not responded yet.
        case whenListening
    }

    init(
        _ parsed: ParsedRequest, wantsKeepAlive: Bool, body: BodyReader, to backend: BackendID,
        _ forwarding: Forwarding
    ) {
        self.backend = backend
        self.forwarding = forwarding
        super.init(parsed, wantsKeepAlive: wantsKeepAlive, body: body)
    }

    /// Whether the request may be sent on a kept connection.
    var isReusable: Bool { forwarding.keepsUpstream != nil && forwarding.isSafe && body.isFinished }

    /// Whether nothing of a response has arrived on a kept connection: it may be sent once more on a new one.
    var isRetriable: Bool { repetition == .onFreshConnection && !forwarding.head.isEmpty }

    /// Whether its response is the first of this generation of the backend.
    var provesBackend: Bool { repetition == .whenListening }

    /// Whether it may return to the queue after nothing of it was sent.
    var mayReturn: Bool { returns < Limits.returnsToQueue }

    /// Whether it may return to the queue although it was sent: it is safe, and this generation of the backend has not
    /// responded yet.
    var mayReturnUnanswered: Bool { mayReturn && provesBackend && !forwarding.head.isEmpty }

    /// Whether the client waits for a WebSocket: until the response it has nothing to send.
    var opensWebSocket: Bool { parsed.upgrade == .webSocket }

    /// The head for a connection. `isProven`: this generation of the backend has responded before.
    func headForConnection(isKept: Bool, isProven: Bool) -> [UInt8] {
        let head = forwarding.head
        if isKept {
            repetition = .onFreshConnection
        } else if !isProven, forwarding.isSafe, body.isFinished {
            repetition = .whenListening
        } else {
            repetition = .never
            forwarding.head = []
        }
        return head
    }

    /// The backend has read at least part of the request: it is not sent again.
    func dropHead() { forwarding.head = [] }

    func returnToQueue() {
        returns += 1
        repetition = .never
    }
}

/// What only a request that goes to a backend has.
struct Forwarding {
    /// The rewritten head.
    var head: [UInt8]
    /// How long the backend's connection stays open for the client's next request; nil closes it.
    let keepsUpstream: Duration?
    /// Whether the method is safe (RFC 9110, 9.2.1).
    let isSafe: Bool
    /// Whether the request may wake a sleeping backend.
    let mayWake: Bool
}

/// What the head of a request says; it does not change while the request is served, but for the
/// identifiers of an accepted token.
struct ParsedRequest {
    /// The original head, needed only for local replies.
    let head: StoredHead
    let service: BackendID?
    /// The client that a trusted proxy names; nil where the peer itself is the client.
    let announcedClient: String?
    let identity: RequestIdentity
    let version: HTTPVersion
    let isHead: Bool
    let upgrade: UpgradeIntent
    /// Whether the request asked for a WebSocket, allowed or not.
    let askedForTunnel: Bool
    /// The Origin that is not allowed to open a WebSocket; nil where none was rejected.
    let refusedOrigin: String?
    /// The handshake of a client of a cable.
    fileprivate(set) var cable: CableHandshake?
    /// Whether the path is that of a cable, whatever becomes of the handshake.
    let isForCable: Bool
}

/// The handshake of a cable's client, and its cable.
struct CableHandshake {
    let id: CableID
    fileprivate(set) var upgrade: CableUpgrade
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
