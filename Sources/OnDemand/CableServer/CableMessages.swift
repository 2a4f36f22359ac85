/// Messages from the proxy to the cable server, delivered between events.
enum CableRequest {
    /// A client whose handshake was accepted; its socket belongs to the cable server from here on.
    case open(CableSessionTransfer)
    /// A request body for the broadcast endpoint. The reply goes to `requester`, the token of its connection.
    case broadcast(CableID, body: [UInt8], requester: Token)
}

/// Messages from the cable server to the proxy.
enum CableReply {
    case response(LocalReply, requester: Token)
    /// A client's socket is closed; it is not counted any more.
    case sessionEnded(CableID, Admission)
    /// A connection to a backend is closed, or was never made with the lease that was held for it. `wasUncounted`: its
    /// lease had been returned.
    case upstreamEnded(BackendID, Generation, wasUncounted: Bool)
    /// A connection does not keep its backend awake any more: return the lease.
    case upstreamUncounted(BackendID, Generation)
    /// It keeps the backend awake again; the lease is taken.
    case upstreamCounted(BackendID, Generation)
}

/// A client of a cable with a backend.
struct BackendTransfer {
    let id: BackendID
    /// The request as the backend gets it.
    let request: StoredRequest
    /// The client's own path, for log lines.
    let path: String
    /// The connection over which the backend has accepted the client; nil where the daemon accepts it.
    let upstream: UpstreamTransfer?
}

/// A connection to a backend on its way from the proxy to the cable server, with its lease.
struct UpstreamTransfer {
    let descriptor: Descriptor
    let generation: Generation
    /// Bytes of the request that the backend has not read yet.
    let unsent: [UInt8]
    /// Frames that arrived with the 101.
    let received: [UInt8]
    /// The 101 named a subprotocol.
    let hasSubprotocol: Bool
}

/// A connection on its way from the proxy to the cable server.
struct CableSessionTransfer {
    enum Verdict {
        /// `identifiers`: the connection identifiers of the client's token.
        case accepted(identifiers: [UInt8]?)
        /// An Action Cable client is told the reason after its 101 and must not reconnect by itself.
        case refused(ActionCableFrame.DisconnectReason)

        var identifiers: [UInt8]? { if case .accepted(let identifiers) = self { identifiers } else { nil } }
    }

    let cable: CableID
    let descriptor: Descriptor
    let admission: Admission
    let upgrade: CableUpgrade
    /// The HTTP response that accepts the client: the backend's own, where it accepts.
    let response: [UInt8]
    let verdict: Verdict
    /// Frames that arrived in one piece with the request head.
    let earlyBytes: [UInt8]
    /// The client's address, for the log.
    let address: String
    /// nil: the cable serves the client alone.
    var backend: BackendTransfer?
}
