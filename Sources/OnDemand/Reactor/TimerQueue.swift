/// Deadlines in order of time: arming, moving and cancelling cost O(log n), and a cancelled one leaves nothing behind.
///
/// Nothing left behind is the point: with every timer cancelled `next` is nil and the reactor sleeps without a timeout.
struct TimerQueue<Key: Hashable> {
    private struct Entry {
        let key: Key
        let instant: Instant
        /// Equal instants fire in the order they were armed, so that a simulation replays.
        let order: UInt64
    }

    /// A binary heap, earliest first.
    private var heap: [Entry] = []
    private var positions: [Key: Int] = [:]
    private var armed: UInt64 = 0

    var next: Instant? { heap.first?.instant }
    var isEmpty: Bool { heap.isEmpty }
    func contains(_ key: Key) -> Bool { positions[key] != nil }

    /// Arms the timer of `key`, moving it when it is armed already.
    mutating func arm(_ key: Key, at instant: Instant) {
        armed += 1
        let entry = Entry(key: key, instant: instant, order: armed)
        if let position = positions[key] {
            heap[position] = entry
            restore(at: position)
        } else {
            heap.append(entry)
            positions[key] = heap.count - 1
            restore(at: heap.count - 1)
        }
    }

    mutating func disarm(_ key: Key) {
        guard let position = positions.removeValue(forKey: key) else { return }
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        positions[last.key] = position
        restore(at: position)
    }

    /// The earliest timer that is due, disarmed; nil when none is.
    mutating func popDue(at now: Instant) -> Key? {
        guard let first = heap.first, first.instant <= now else { return nil }
        disarm(first.key)
        return first.key
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].instant, heap[left].order) < (heap[right].instant, heap[right].order)
    }

    private mutating func restore(at start: Int) {
        var position = start
        while position > 0, precedes(position, (position - 1) / 2) {
            exchange(position, (position - 1) / 2)
            position = (position - 1) / 2
        }
        while true {
            var least = position
            for child in [2 * position + 1, 2 * position + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != position else { return }
            exchange(position, least)
            position = least
        }
    }

    private mutating func exchange(_ left: Int, _ right: Int) {
        heap.swapAt(left, right)
        positions[heap[left].key] = left
        positions[heap[right].key] = right
    }
}
