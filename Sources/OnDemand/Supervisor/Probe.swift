/// The probe of one backend's address: an attempt, the pause before the next, or the close handshake after success.
struct Probe {
    enum Purpose { case checkAddress, readiness }

    enum Stage {
        case connecting
        /// Connected and waiting for a response.
        case talking
        /// In the accept queue of the inherited socket, until the backend accepts the connection and reads its end.
        case queued
        /// Ready. The rest of the close handshake runs without delaying the start.
        case leaving
    }

    /// nil: no probe.
    var purpose: Purpose?
    var descriptor: Descriptor?
    var stage = Stage.connecting
    var conversation: ProbeConversation?
    /// Bytes not yet written to the socket.
    var unsent: ArraySlice<UInt8> = []
    /// Number of the attempt. A late event of an earlier attempt is ignored.
    var attempt: UInt32 = 0
    /// The last socket lookup gave a result, so frequent lookups are useful.
    var canLookUp = false
    /// Time after the spawn at which the probe connects although a lookup finds no listener.
    var nextConnect: Duration = .zero
    /// A foreign listener was logged in this start.
    var sawForeignListener = false
    /// The attempt at which the listener was last confirmed as the backend's own. nil: not yet in this start.
    var confirmedAttempt: UInt32?
    /// The backend has sent READY=1 (sd_notify(3)).
    var isNotified = false
    /// The last foreign processes that sent READY=1. They are not looked up again in this start.
    var foreignSenders: [ProcessID] = []

    /// Whether a READY=1 would have an effect.
    var awaitsWord: Bool { purpose == .readiness && !isNotified }
    /// Why the last attempt with a response failed. nil: no response yet.
    var localReply: String?
}
