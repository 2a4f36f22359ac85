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
