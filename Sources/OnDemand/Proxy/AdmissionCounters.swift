/// What became of a service's requests at its gate, since the daemon began.
struct AdmissionCounters: Equatable {
    /// Had to wait for a start.
    var queued = 0
    var refused = Counters<Refusal.Reason>()
}
