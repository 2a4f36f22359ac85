/// What became of a service's requests at its gate, since the daemon began.
struct Arrivals: Equatable {
    /// Had to wait for a start.
    var held = 0
    var refused = Tally<Refusal.Reason>()
}
