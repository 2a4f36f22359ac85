/// The position of each armed timer in the heap: an open-addressing hash table of plain numbers.
///
/// Every connection arms and disarms several timers, and each operation moves heap entries. `Dictionary` protects
/// against chosen keys. These keys are the daemon's own, and a lookup here takes a sixth of the instructions.
///
/// - Linear probing, at most half of the slots taken, size a power of two.
/// - `remove` shifts later entries back, so that no tombstones remain.
/// - An empty table frees its memory.
struct TimerIndex {
    /// Code and position together, for one memory access.
    private struct Slot {
        /// 0: free.
        var code: UInt64 = 0
        var position = 0
    }

    /// At most half are taken.
    private var slots: [Slot] = []
    private var count = 0

    private static let smallest = 16

    subscript(code: UInt64) -> Int? {
        guard count > 0 else { return nil }
        let slot = slots[place(of: code)]
        return slot.code == code ? slot.position : nil
    }

    mutating func set(_ code: UInt64, to position: Int) {
        precondition(code != 0, "zero marks a free place")
        if 2 * (count + 1) > slots.count { resize(to: max(Self.smallest, 2 * slots.count)) }
        let place = place(of: code)
        if slots[place].code == 0 { count += 1 }
        slots[place] = Slot(code: code, position: position)
    }

    /// Changes the position of a code in the table.
    @inline(__always)
    mutating func move(_ code: UInt64, to position: Int) {
        let place = place(of: code)
        precondition(slots[place].code == code, "a code that is not in the table was moved")
        slots[place].position = position
    }

    /// Removes a code. Returns its position, or nil if absent.
    mutating func remove(_ code: UInt64) -> Int? {
        guard count > 0 else { return nil }
        var hole = place(of: code)
        guard slots[hole].code == code else { return nil }
        let position = slots[hole].position
        // Backward shift: an entry that the hole would hide moves into it.
        var next = following(hole)
        while slots[next].code != 0 {
            if distance(from: slot(of: slots[next].code), to: next) >= distance(from: hole, to: next) {
                slots[hole] = slots[next]
                hole = next
            }
            next = following(next)
        }
        slots[hole].code = 0
        count -= 1
        // Free the memory of a large table.
        if count == 0, slots.count > Self.smallest { self = TimerIndex() }
        return position
    }

    /// Returns the slot of a code, or the free slot where it would go.
    @inline(__always)
    private func place(of code: UInt64) -> Int {
        var place = slot(of: code)
        while slots[place].code != code, slots[place].code != 0 { place = following(place) }
        return place
    }

    /// Fibonacci hashing spreads consecutive codes (Knuth, volume 3, 6.4).
    private func slot(of code: UInt64) -> Int {
        Int((code &* 0x9e37_79b9_7f4a_7c15) >> 32) & (slots.count - 1)
    }

    private func following(_ place: Int) -> Int { (place + 1) & (slots.count - 1) }

    private func distance(from start: Int, to end: Int) -> Int { (end - start) & (slots.count - 1) }

    /// `size` is a power of two.
    private mutating func resize(to size: Int) {
        let old = slots
        slots = Array(repeating: Slot(), count: size)
        for slot in old where slot.code != 0 { slots[place(of: slot.code)] = slot }
    }
}
