/// Numbered slots for plain values; each reuse of a number is another generation, so a stale token finds nobody.
///
/// Slots live in chunks that never move and are given back when they are empty, so that ten thousand connections cost
/// memory while they last and not afterwards.
struct Slab<Element> {
    private struct Slot {
        var element: Element?
        var generation: UInt32
    }

    private struct Chunk {
        var slots: ContiguousArray<Slot>
        var used: Int
    }

    private static var slotsPerChunk: Int { 64 }

    private var chunks: [Chunk?] = []
    /// Free slots, the lowest last; only of chunks that exist.
    private var free: [Int] = []
    /// Generations go on counting where a chunk was given back.
    private var nextGeneration: UInt32 = 1
    private(set) var count = 0

    mutating func insert(_ element: Element) -> (index: Int, generation: UInt32) {
        if free.isEmpty { grow() }
        let index = free.removeLast()
        let generation = nextGeneration
        nextGeneration = nextGeneration == 0xff_ffff ? 1 : nextGeneration + 1
        let (chunk, offset) = Self.place(index)
        chunks[chunk]!.slots[offset] = Slot(element: element, generation: generation)
        chunks[chunk]!.used += 1
        count += 1
        return (index, generation)
    }

    func contains(index: Int, generation: UInt32) -> Bool {
        let (chunk, offset) = Self.place(index)
        guard chunk < chunks.count, let slots = chunks[chunk]?.slots else { return false }
        return slots[offset].element != nil && slots[offset].generation == generation
    }

    func isTaken(_ index: Int) -> Bool {
        let (chunk, offset) = Self.place(index)
        return chunk < chunks.count && chunks[chunk]?.slots[offset].element != nil
    }

    /// The element of a slot that is known to be taken.
    subscript(index: Int) -> Element {
        _read {
            let (chunk, offset) = Self.place(index)
            yield chunks[chunk]!.slots[offset].element!
        }
        _modify {
            let (chunk, offset) = Self.place(index)
            yield &chunks[chunk]!.slots[offset].element!
        }
    }

    mutating func remove(index: Int) {
        let (chunk, offset) = Self.place(index)
        precondition(chunks[chunk]?.slots[offset].element != nil, "a slot was emptied twice")
        chunks[chunk]!.slots[offset] = Slot(element: nil, generation: 0)
        chunks[chunk]!.used -= 1
        count -= 1
        free.append(index)
        if chunks[chunk]!.used == 0 { giveBack(chunk) }
    }

    /// The numbers of all taken slots, in order.
    var indices: [Int] {
        chunks.indices.flatMap { chunk in
            (chunks[chunk]?.slots ?? []).indices.compactMap { offset in
                chunks[chunk]!.slots[offset].element == nil ? nil : chunk * Self.slotsPerChunk + offset
            }
        }
    }

    private static func place(_ index: Int) -> (chunk: Int, offset: Int) {
        (index / slotsPerChunk, index % slotsPerChunk)
    }

    private mutating func grow() {
        let empty = ContiguousArray(repeating: Slot(element: nil, generation: 0), count: Self.slotsPerChunk)
        let chunk = chunks.firstIndex { $0 == nil } ?? chunks.count
        if chunk == chunks.count { chunks.append(nil) }
        chunks[chunk] = Chunk(slots: empty, used: 0)
        free += (0..<Self.slotsPerChunk).reversed().map { chunk * Self.slotsPerChunk + $0 }
    }

    /// One empty chunk is kept, so that a lone connection that comes and goes does not allocate each time.
    private mutating func giveBack(_ chunk: Int) {
        guard free.count > 2 * Self.slotsPerChunk else { return }
        chunks[chunk] = nil
        free.removeAll { $0 / Self.slotsPerChunk == chunk }
        while let last = chunks.last, last == nil { chunks.removeLast() }
    }
}
