/// Identity of a timer as a number.
protocol TimerIdentifier {
    /// Unique per key and never 0.
    var code: UInt64 { get }
}

/// Deadlines in order of time. Arming, moving and disarming cost O(log n), and a disarmed timer leaves nothing behind.
///
/// Therefore `next` is nil when all timers are disarmed, and the reactor sleeps without a timeout.
struct TimerQueue<Key: TimerIdentifier> {
    private struct Entry {
        let key: Key
        /// Code of the key, cached for heap moves.
        let code: UInt64
        let instant: Instant
        /// Equal instants fire in the order of arming, so that a simulation is repeatable.
        let order: UInt64

        func precedes(_ other: Entry) -> Bool {
            instant == other.instant ? order < other.order : instant < other.instant
        }
    }

    /// Capacity that is never freed, in timers.
    private static var roomKept: Int { 64 }

    /// A binary heap, earliest first.
    private var heap: [Entry] = []
    private var positions = TimerIndex()
    private var armed: UInt64 = 0

    var next: Instant? { heap.first?.instant }
    var isEmpty: Bool { heap.isEmpty }
    /// Capacity in timers.
    var room: Int { heap.capacity }
    func contains(_ key: Key) -> Bool { positions[key.code] != nil }

    /// Arms the timer of `key`, or moves it if it is armed.
    mutating func arm(_ key: Key, at instant: Instant) {
        armed += 1
        let entry = Entry(key: key, code: key.code, instant: instant, order: armed)
        if let position = positions[entry.code] {
            sift(entry, at: position)
        } else {
            positions.set(entry.code, to: heap.count)
            heap.append(entry)
            sift(entry, at: heap.count - 1)
        }
    }

    mutating func disarm(_ key: Key) {
        guard let position = positions.remove(key.code) else { return }
        let last = heap.removeLast()
        if position < heap.count { sift(last, at: position) }
        // Free the memory of a large heap.
        if heap.isEmpty, room > Self.roomKept { heap = [] }
    }

    /// Disarms and returns the earliest timer that is due. nil: none.
    mutating func popDue(at now: Instant) -> Key? {
        guard let first = heap.first, first.instant <= now else { return nil }
        disarm(first.key)
        return first.key
    }

    /// Puts an entry at its position in the heap, starting at a free one.
    private mutating func sift(_ entry: Entry, at start: Int) {
        var position = start
        while position > 0, entry.precedes(heap[(position - 1) / 2]) {
            put(heap[(position - 1) / 2], at: position)
            position = (position - 1) / 2
        }
        while let child = earlierChild(of: position), heap[child].precedes(entry) {
            put(heap[child], at: position)
            position = child
        }
        put(entry, at: position)
    }

    private func earlierChild(of position: Int) -> Int? {
        let left = 2 * position + 1
        guard left + 1 < heap.count else { return left < heap.count ? left : nil }
        return heap[left + 1].precedes(heap[left]) ? left + 1 : left
    }

    private mutating func put(_ entry: Entry, at position: Int) {
        heap[position] = entry
        positions.move(entry.code, to: position)
    }
}
