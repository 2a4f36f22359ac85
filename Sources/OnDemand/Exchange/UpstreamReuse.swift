/// What a conversation makes of its connection to a backend.
enum UpstreamReuse: Equatable {
    /// There is none, or a request is on it.
    case undecided
    /// It has done its work and is to be closed.
    case spent
    /// The answer on it has ended by itself: it may be kept.
    case reusable(Spare)
    /// It waits for the client's next request; no lease is held for it, so it keeps nobody awake.
    case kept(Spare)

    struct Spare: Equatable {
        let service: BackendID
        /// How long it may wait.
        let patience: Duration
    }
}
