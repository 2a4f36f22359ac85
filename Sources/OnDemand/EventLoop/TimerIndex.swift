/// Where each armed timer stands in the heap: a hash table of plain numbers.
///
/// Every connection arms and cancels several timers, and each of these moves entries of the heap. A `Dictionary` guards
/// against keys chosen by an enemy; these are our own, and looking one up here takes a sixth of the instructions.
struct TimerIndex {
    /// A code and the position that belongs to it, side by side: who finds the one has the other.
    private struct Slot {
        /// Zero where there is nobody.
        var code: UInt64 = 0
        var position = 0
    }

    /// At most half of them are taken, and whoever finds its place taken goes to the next one that is free (linear
    /// probing).
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

    /// Another position for a code that has one.
    @inline(__always)
    mutating func move(_ code: UInt64, to position: Int) {
        let place = place(of: code)
        precondition(slots[place].code == code, "what is not in the table was moved in it")
        slots[place].position = position
    }

    /// Where it was, if it was there.
    mutating func remove(_ code: UInt64) -> Int? {
        guard count > 0 else { return nil }
        var hole = place(of: code)
        guard slots[hole].code == code else { return nil }
        let position = slots[hole].position
        // Whoever would not be found past the hole moves into it, and leaves another one.
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
        // A crowd's table is given back when the crowd has gone.
        if count == 0, slots.count > Self.smallest { self = TimerIndex() }
        return position
    }

    /// The place of a code, or the free one where it would go.
    @inline(__always)
    private func place(of code: UInt64) -> Int {
        var place = slot(of: code)
        while slots[place].code != code, slots[place].code != 0 { place = following(place) }
        return place
    }

    /// Multiplied by the golden ratio, so that codes in a row do not land in a row (Knuth, volume 3, 6.4).
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
