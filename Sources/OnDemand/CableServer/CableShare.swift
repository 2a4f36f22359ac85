/// Steps of the clients and upstreams that become ready in one turn of the event loop, by number and by time. The clock
/// is not read for the first one: most turns have no other. `WorkShare` is the share of a loop that knows its end.
struct CableShare {
    private var turn: UInt64 = 0
    private var steps = 0
    private var deadline = Instant(nanoseconds: 0)

    enum Step { case first, further, none }

    /// For a further step the time decides too: `hasTime`.
    mutating func takeStep(in turn: UInt64) -> Step {
        guard turn == self.turn else {
            (self.turn, steps) = (turn, 1)
            return .first
        }
        steps += 1
        return steps <= Limits.cableStepsPerTurn ? .further : .none
    }

    /// The time begins with the second step.
    mutating func hasTime(at now: Instant) -> Bool {
        if steps == 2 { deadline = now + Limits.cableTimePerTurn }
        return now < deadline
    }
}
