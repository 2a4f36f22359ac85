/// What peers may send and hold before they are refused: `limits` of the configuration, with its defaults.
struct PeerLimits: Equatable, Sendable {
    /// From the first byte of a head to its end; then 408.
    var headerTimeout = Limits.headerTimeout
    /// Cookies and tokens of real browsers stay well below; a flood is refused early (431).
    var maximumHeaderBytes = 16 * 1024
    /// Real requests carry ten to forty fields (431).
    var maximumHeaderFields = 128
    /// RFC 9112, 3 asks for at least 8000 bytes of request line (414).
    var maximumURIBytes = 8 * 1024
    /// Of one listener; nil leaves it to the number of descriptors.
    var maximumConnections: Int?
    /// Of one client's address, over all listeners.
    var maximumConnectionsPerAddress: Int?
    /// For services that say nothing else, and for requests that belong to none.
    var service = ServiceLimits()
}

/// The part of it that a service may set for itself.
struct ServiceLimits: Equatable, Sendable {
    /// Content of a request's body, without chunk framing (413); nil leaves the size to the backend.
    var maximumBodyBytes: UInt64?
    /// A request body of which nothing arrives for this long is given up (408).
    var bodyTimeout = Limits.bodyTimeout
    /// From the last byte of a request to the end of the answer's head (504).
    var responseTimeout = Limits.responseTimeout
    /// A backend's response up to its body (502). Four times what a client may send: a server that sets many cookies,
    /// or tells a browser its whole security policy, is no attacker.
    var maximumResponseHeadBytes = 64 * 1024
    /// A backend's connection waits for this long for the next request of its client; nil closes it behind each
    /// answer.
    var upstreamKeepAlive: Duration? = Limits.upstreamKeepAlive
    /// A client that takes nothing of what waits for it for this long is given up.
    var sendTimeout = Limits.sendTimeout
    /// Payload of one WebSocket message from a client, as it travels (close 1009). A message is held in a backend's
    /// memory until it is complete; how large one may be only the server behind the tunnel knows (uploads of LiveView,
    /// notebooks of Jupyter), so nothing is set by default.
    var maximumMessageBytes: UInt64?
    /// The same for what the backend says.
    var maximumBackendMessageBytes: UInt64?
    /// Frames per second from one client before the daemon reads more slowly; nil reads as fast as it can.
    var maximumMessageRate: Int?
    /// Requests and tunnels at a time, held ones too (503).
    var maximumConnections: Int?
}
