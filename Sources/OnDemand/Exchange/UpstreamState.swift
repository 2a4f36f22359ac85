/// The connection to a backend, as an exchange sees it; a new value for each connection.
///
/// After a response it may wait, without a lease, for the client's next request (RFC 9112, 9.3). It belongs to one
/// client and one generation of one backend. Only a safe request without a body is sent on it, because the backend may
/// be closing it at that moment (RFC 9112, 9.3.1). Such a request is then retried once on a new connection, except
/// where the request may have crashed the backend.
struct UpstreamState {
    /// Bytes that were read before the response head was complete.
    var unread: [UInt8] = []
    var parser = ResponseHeadParser()
    /// Whether the backend reads no more of the request; its response may still arrive.
    var refusesMore = false
    var reuse = UpstreamReuse.undecided

    /// Returns the next head at the front of the unread bytes, if it is complete.
    mutating func nextHead(_ limits: HeadLimits) throws(HeadError) -> ResponseHead? {
        let bytes = unread  // A second reference, not a copy: the parser changes while it looks at the bytes.
        guard let head = try parser.examine(bytes.span) else { return nil }
        parser = ResponseHeadParser(limits: limits)
        return head
    }

    mutating func takeUnread() -> [UInt8] {
        defer { unread = [] }
        return unread
    }
}

/// State of the reuse of a backend's connection.
enum UpstreamReuse: Equatable {
    /// No connection, or a request is on it.
    case undecided
    /// The connection is to be closed.
    case spent
    /// The response has ended and the connection is open: it may be kept.
    case reusable(Idle)
    /// Waits for the client's next request; it holds no lease, so the backend may idle out.
    case kept(Idle)

    struct Idle: Equatable {
        let service: BackendID
        /// How long it may wait.
        let timeout: Duration
    }
}
