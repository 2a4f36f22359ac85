/// A limit of work per iteration of the event loop: a number of items and a time, whichever is reached first.
///
/// A count alone does not bound the time, because items differ in cost. A time alone does not bound a simulation, whose
/// clock stands still during an iteration. The clock is read once per several items.
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

    /// Takes one item; returns false when the share is used up.
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
