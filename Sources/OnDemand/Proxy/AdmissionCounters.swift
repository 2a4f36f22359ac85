/// Results of a service's requests at its gate since the daemon started.
struct AdmissionCounters: Equatable {
    /// Requests that waited for a start.
    var queued = 0
    var refused = Counters<Refusal.Reason>()
}
