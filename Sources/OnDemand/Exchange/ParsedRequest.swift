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
    private(set) var cable: CableHandshake?
    /// Whether the query may have a secret, which the log must not show.
    let hidesQuery: Bool
    /// The command to which the path belongs.
    let command: CommandID?

    /// The token of a cable's client was accepted: it may expire while the backend starts.
    mutating func note(identifiers: [UInt8]?) { cable?.upgrade.identifiers = identifiers }
}

/// The handshake of a cable's client, and its cable.
struct CableHandshake {
    let id: CableID
    fileprivate(set) var upgrade: CableUpgrade
}
