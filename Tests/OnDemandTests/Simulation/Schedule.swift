@testable import OnDemand

/// Planned events of a simulated world in order of time; equal times keep the order in which they were planned.
struct Schedule {
    private struct Entry {
        let instant: Instant
        let order: Int
        let action: () -> Void
    }

    /// A binary heap, earliest first.
    private var heap: [Entry] = []
    private var planned = 0

    var next: Instant? { heap.first?.instant }

    mutating func scenario(at instant: Instant, _ action: @escaping () -> Void) {
        planned += 1
        heap.append(Entry(instant: instant, order: planned, action: action))
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Removes and returns the earliest due event; nil if none is due.
    mutating func popDue(at now: Instant) -> (() -> Void)? {
        guard let first = heap.first, first.instant <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != parent else { return first.action }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    mutating func removeAll() { heap = [] }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].instant, heap[left].order) < (heap[right].instant, heap[right].order)
    }
}
