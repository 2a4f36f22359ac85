/// Messages between proxy (clients) and supervisor (processes); neither side refers to the other.

/// From the proxy: requests on behalf of clients.
enum BackendRequest: Equatable, Sendable {
    /// The cable server has messages or unfinished work. It shares this mailbox, so that an iteration without any looks
    /// at one mailbox only: looking at another costs each relayed message 150 instructions.
    case cableWork
    /// The same for the command runner and its messages.
    case commandWork
    /// The same for the daemon itself.
    case daemonWork
    /// A client waits; it is answered exactly once, unless it is abandoned first. A client that may not wake the
    /// backend is refused where a new start would be needed.
    case wanted(BackendID, Ticket, WakeCause, mayWake: Bool, by: ClientInfo)
    /// An admitted client found no listener, or was reset before this generation had responded. It is queued again;
    /// `wasSent` says whether its request had been sent.
    case listenerMissing(BackendID, Ticket, Generation, wasSent: Bool)
    /// The queued client is gone.
    case abandoned(BackendID, Ticket)
    /// No lease of this generation is held any more.
    case lastLeaseReturned(BackendID, Generation)
    /// All tunnels of this generation that got a close frame are closed.
    case tunnelsDrained(BackendID, Generation)
    /// An operation of an operator; answered exactly once, at once or when it is done.
    case operation(BackendID, BackendOperation, Ticket, waits: Bool)
}

/// A client as it describes itself, for log lines about what woke a backend.
struct ClientInfo: Equatable, Sendable {
    /// Address as in `$remote_addr`.
    let address: String
    /// The path without the query, because queries may contain secrets.
    let path: String
    /// `User-Agent`; nil without one.
    let agent: String?
}

/// From the supervisor: replies and notifications.
enum BackendReply: Equatable, Sendable {
    /// Ready; one lease of this generation is already held for this client.
    case admitted(BackendID, Ticket, Generation)
    case refused(Ticket, Refusal, retryAfter: Duration?)
    /// The process and all its connections are gone.
    case generationEnded(BackendID, Generation)
    /// It will be stopped with open tunnels: send them close frames within this time.
    case closeTunnels(BackendID, Generation, CloseReason, over: Duration)
    case operationEnded(Ticket, OperationResult)
    /// A line of its output, for log followers.
    case printed(BackendID, String)
    /// The state changed, for status streams.
    case stateChanged(BackendID)
}

/// Reason of a tunnel's close by the daemon.
enum CloseReason: Equatable, Sendable {
    /// The backend is stopped.
    case goingAway
    /// It is stopped and started again: clients may reconnect at once.
    case restarts
    /// It is stopped and cannot be woken for now: reconnecting at once fails.
    case staysAway
}
