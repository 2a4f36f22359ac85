/// A share of one turn of the reactor: a number of items and a time, whichever is used up first.
///
/// A count alone is no bound on time, because items differ in cost; a time alone is none in a simulation, where the
/// clock stands still during a turn. The clock is read once for every few items.
struct WorkShare {
    private var itemsLeft: Int
    private let deadline: Instant
    private let itemsPerLook: Int
    private var itemsUntilLook: Int

    init(items: Int, time: Duration, from now: Instant, itemsPerLook: Int = 16) {
        itemsLeft = items
        deadline = now + time
        self.itemsPerLook = itemsPerLook
        itemsUntilLook = itemsPerLook
    }

    var isUsedUp: Bool { itemsLeft <= 0 }

    /// Takes one item, and returns false when the share is used up.
    mutating func takeItem(_ now: () -> Instant) -> Bool {
        guard itemsLeft > 0 else { return false }
        itemsLeft -= 1
        itemsUntilLook -= 1
        guard itemsUntilLook == 0 else { return true }
        itemsUntilLook = itemsPerLook
        if now() >= deadline { itemsLeft = 0 }
        return true
    }
}
