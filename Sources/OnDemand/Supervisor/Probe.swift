/// Asking one backend's address: an attempt, the pause before the next one, or what follows a successful one.
struct Probe {
    enum Purpose { case checkAddress, readiness }

    enum Stage {
        case connecting
        /// Connected, and an answer is expected.
        case talking
        /// In the queue of the socket that the backend inherited, until it takes the connection and finds it ended.
        case queued
        /// Ready: what is left of the conversation ends politely, and nobody waits for it.
        case leaving
    }

    /// nil when nothing is asked.
    var purpose: Purpose?
    var descriptor: Descriptor?
    var stage = Stage.connecting
    var conversation: ProbeConversation?
    /// What the socket has not taken yet.
    var unsent: ArraySlice<UInt8> = []
    /// Counts attempts, so that a late answer of an earlier one finds nobody.
    var attempt: UInt32 = 0
    /// The last look told something, so it is worth looking often.
    var canLookUp = false
    /// So long after the spawn the address is knocked at, even if a look finds nobody.
    var nextConnect: Duration = .zero
    /// Told once per start.
    var sawForeignListener = false
    /// The attempt at which the listener was last shown to be the backend's own; nil before it was in this start.
    var confirmedAttempt: UInt32?
    /// The backend has said that it is ready (sd_notify(3)).
    var isNotified = false
    /// Processes that said so in its place, the last ones: they are not looked up again in this start.
    var foreignSenders: [ProcessID] = []

    /// Whether its word would change anything.
    var awaitsWord: Bool { purpose == .readiness && !isNotified }
    /// Why the last attempt that got an answer was not enough.
    var localReply: String?
}
