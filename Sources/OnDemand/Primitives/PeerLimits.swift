/// `limits` of the configuration, with defaults.
struct PeerLimits: Equatable, Sendable {
    /// Time from the first byte of a request head to its end (408).
    var headerTimeout = Limits.headerTimeout
    /// Bytes of a request head (431); cookies and tokens of browsers stay well below.
    var maximumHeaderBytes = 16 * 1024
    /// Fields of a request head (431); real requests have 10 to 40.
    var maximumHeaderFields = 128
    /// Bytes of a request URI (414); RFC 9112, 3 requires request lines of at least 8000 bytes.
    var maximumURIBytes = 8 * 1024
    /// Connections of one listener; nil is limited by descriptors only.
    var maximumConnections: Int?
    /// Connections of one client address over all listeners; nil has no limit.
    var maximumConnectionsPerAddress: Int?
    /// Defaults of services, and limits of requests without a service.
    var service = ServiceLimits()
}

/// The limits that a service may override.
struct ServiceLimits: Equatable, Sendable {
    /// Bytes of request content without chunk framing (413); nil has no limit.
    var maximumBodyBytes: UInt64?
    /// Longest pause within a request body (408).
    var bodyTimeout = Limits.bodyTimeout
    /// Time from the last byte of a request to the end of the response head (504).
    var responseTimeout = Limits.responseTimeout
    /// Bytes of a response head (502); four times the request limit, for many cookies and long security policies.
    var maximumResponseHeadBytes = 64 * 1024
    /// How long a backend's connection waits for the next request of its client; nil closes it after each response.
    var upstreamKeepAlive: Duration? = Limits.upstreamKeepAlive
    /// Longest time in which a client reads nothing of pending bytes.
    var sendTimeout = Limits.sendTimeout
    /// Payload bytes of one WebSocket message from a client (close 1009); nil has no limit. Backends buffer whole
    /// messages, but only they know how large one may be (LiveView uploads, Jupyter notebooks).
    var maximumMessageBytes: UInt64?
    /// The same for messages of the backend (close 1011).
    var maximumBackendMessageBytes: UInt64?
    /// WebSocket frames per second from one client, above which reading slows down; nil has no limit.
    var maximumMessageRate: Int?
    /// Concurrent requests and tunnels, including queued requests (503); nil has no limit.
    var maximumConnections: Int?
}
