/// The reads of terminals that are left in an iteration of the event loop.
struct TerminalShare {
    private var share = WorkShare(items: 0, time: .zero, from: Instant(nanoseconds: 0))
    private var turn: UInt64?

    /// Takes one read of this turn's share; false: the rest is for later turns.
    mutating func takeRead(in turn: UInt64, _ now: () -> Instant) -> Bool {
        if self.turn != turn {
            self.turn = turn
            share = WorkShare(
                items: Limits.allTerminalReadsPerTurn, time: Limits.outputTimePerTurn, from: now(), itemsPerLook: 4)
        }
        return share.takeItem(now)
    }
}
