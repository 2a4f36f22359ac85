/// The messages that cross between those who have clients and those who have processes; neither side names the other.

/// From the proxy: what its clients need.
enum BackendRequest: Equatable, Sendable {
    /// A client waits; it is answered exactly once, unless it is abandoned first. Who may not wake the backend is
    /// refused where it would take a new start.
    case wanted(BackendID, Ticket, WakeCause, mayWake: Bool, by: ClientInfo)
    /// A client that was admitted to this generation found nobody listening, or was reset before the generation had
    /// answered anything. It waits again; `wasSent` says whether its request had been sent.
    case foundNobody(BackendID, Ticket, Generation, wasSent: Bool)
    /// The waiting client has left.
    case abandoned(BackendID, Ticket)
    /// Nobody uses this generation any more.
    case lastLeaseReturned(BackendID, Generation)
    /// Nobody is left of those who were told that this generation goes away.
    case tunnelsDrained(BackendID, Generation)
    /// An operator asks for something; answered exactly once, at once or when it is done.
    case command(BackendID, BackendCommand, Ticket, waits: Bool)
}

/// Who a client is, as far as it says so: for people who wonder what woke a backend.
struct ClientInfo: Equatable, Sendable {
    /// As `$remote_addr` shows it.
    let address: String
    /// Without the query, in which some have secrets.
    let path: String
    /// What it calls itself; nil when it does not.
    let agent: String?
}

/// From the supervisor: what becomes of them.
enum BackendReply: Equatable, Sendable {
    /// Ready, and one lease of this generation is already held for this client.
    case admitted(BackendID, Ticket, Generation)
    case refused(Ticket, Refusal, retryAfter: Duration?)
    /// The process is gone, and with it everything that was connected to it.
    case generationEnded(BackendID, Generation)
    /// It will be stopped although tunnels are open: their clients are to be told, within this time.
    case closeTunnels(BackendID, Generation, CloseReason, over: Duration)
    case commandEnded(Ticket, CommandResult)
    /// A line of its output, for those who follow it.
    case printed(BackendID, String)
    /// For those who watch.
    case stateChanged(BackendID)
}

/// Why clients are asked to go although they did nothing wrong.
enum CloseReason: Equatable, Sendable {
    /// The backend is stopped.
    case goingAway
    /// It is stopped and started again: coming back at once is welcome.
    case restarts
    /// It is stopped, and nobody wakes it for a while: coming back at once is in vain.
    case staysAway
}
