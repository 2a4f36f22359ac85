/// Numbers in the order in which they were added: adding and removing cost O(1), walking is a walk over an array.
///
/// Removing leaves a gap, so the positions of all others stay. `compact` closes the gaps once they are the larger part;
/// its caller then stores the new positions.
struct ArrivalList {
    /// Stands in every gap.
    static let gap = UInt32.max

    /// Numbers and gaps; positions are indices of it.
    private(set) var slots: [UInt32] = []
    /// Numbers without the gaps.
    private(set) var count: UInt32 = 0

    var isEmpty: Bool { count == 0 }
    var end: UInt32 { UInt32(slots.count) }

    /// Returns the position.
    mutating func append(_ number: UInt32) -> UInt32 {
        slots.append(number)
        count += 1
        return UInt32(slots.count - 1)
    }

    mutating func remove(at position: UInt32) {
        precondition(slots[Int(position)] != Self.gap, "a position was removed twice")
        slots[Int(position)] = Self.gap
        count -= 1
    }

    /// A list of this length is worth the work: the gaps are more than half, and the work was paid by removals.
    var needsCompaction: Bool { slots.count > 16 && slots.count > 2 * Int(count) }

    /// The position that `position` has after `compact`: the count of numbers before it.
    func compacted(_ position: UInt32) -> UInt32 {
        slots[..<Int(min(position, end))].reduce(0) { $1 == Self.gap ? $0 : $0 + 1 }
    }

    /// Closes the gaps and gives the memory back; `moved` gets each number with its new position.
    mutating func compact(_ moved: (UInt32, UInt32) -> Void) {
        var dense: [UInt32] = []
        dense.reserveCapacity(Int(count))
        for number in slots where number != Self.gap {
            moved(number, UInt32(dense.count))
            dense.append(number)
        }
        slots = dense
    }
}
