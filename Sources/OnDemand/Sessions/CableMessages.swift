/// Messages from the proxy to the cable server, delivered between events.
enum CableRequest {
    /// A client whose handshake was accepted; its socket belongs to the cable server from here on.
    case open(SessionTransfer)
    /// A request body for the broadcast endpoint. The reply goes to `requester`, the token of its connection.
    case broadcast(CableID, body: [UInt8], requester: Token)
}

/// Messages from the cable server to the proxy.
enum CableReply {
    case response(LocalReply, requester: Token)
    /// A client's socket is closed; it is not counted any more.
    case sessionEnded(CableID, Admission)
}

/// A connection on its way from the proxy to the cable server.
struct SessionTransfer {
    enum Verdict {
        /// `identifiers`: the connection identifiers of the client's token.
        case accepted(identifiers: [UInt8]?)
        /// An Action Cable client is told the reason after its 101 and must not reconnect by itself.
        case refused(ActionCableFrame.DisconnectReason)
    }

    let cable: CableID
    let descriptor: Descriptor
    let admission: Admission
    let upgrade: CableUpgrade
    let verdict: Verdict
    /// Frames that arrived in one piece with the request head.
    let earlyBytes: [UInt8]
    /// The client's address, for the log.
    let address: String
}
