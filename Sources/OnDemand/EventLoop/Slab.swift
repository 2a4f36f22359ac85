/// Numbered slots for plain values. Each reuse of a slot has another generation, so a stale token matches nothing.
///
/// - Slots live in chunks of 64 that never move. An empty chunk is freed, except for one.
/// - `claim` takes the lowest free slot of an existing chunk, or adds a chunk. `remove` frees the slot.
/// - `free` holds free slots of existing chunks only.
/// - A generation is a 24-bit counter over all slots, without 0.
struct Slab<Element> {
    private static var slotsPerChunk: Int { 64 }

    /// Generation of every slot, 0 if free. Separate from the elements, so that a validity check copies no element.
    private var generations: [UInt32] = []
    /// Empty where a chunk was freed. Elements are not optional: reading one member of an optional would copy the whole
    /// value.
    private var chunks: [ContiguousArray<Element>] = []
    /// Content of a free slot.
    private let empty: Element
    /// Taken slots per chunk.
    private var used: [Int] = []
    /// Free slots of existing chunks, the lowest last.
    private var free: [Int] = []
    /// Continues after a chunk was freed.
    private var nextGeneration: UInt32 = 1
    private(set) var count = 0

    init(empty: Element) { self.empty = empty }

    mutating func insert(_ element: consuming Element) -> (index: Int, generation: UInt32) {
        let place = claim()
        self[place.index] = element
        return place
    }

    /// Takes a slot with empty content. The caller fills it in place.
    mutating func claim() -> (index: Int, generation: UInt32) {
        if free.isEmpty { grow() }
        let index = free.removeLast()
        let generation = nextGeneration
        nextGeneration = nextGeneration == 0xff_ffff ? 1 : nextGeneration + 1
        generations[index] = generation
        used[Self.place(index).chunk] += 1
        count += 1
        return (index, generation)
    }

    func contains(index: Int, generation: UInt32) -> Bool {
        generation != 0 && index < generations.count && generations[index] == generation
    }

    func isTaken(_ index: Int) -> Bool { index < generations.count && generations[index] != 0 }

    /// The element of a taken slot.
    subscript(index: Int) -> Element {
        _read {
            let (chunk, offset) = Self.place(index)
            yield chunks[chunk][offset]
        }
        _modify {
            let (chunk, offset) = Self.place(index)
            yield &chunks[chunk][offset]
        }
    }

    /// Reads one member of an element. The subscript would copy the whole element.
    @inline(__always)
    func peek<Result>(at index: Int, for thing: (Element) -> Result) -> Result {
        let (chunk, offset) = Self.place(index)
        return thing(chunks[chunk][offset])
    }

    @discardableResult
    mutating func remove(index: Int) -> Element {
        precondition(isTaken(index), "a slot was emptied twice")
        let (chunk, offset) = Self.place(index)
        var element = empty
        swap(&chunks[chunk][offset], &element)
        generations[index] = 0
        used[chunk] -= 1
        count -= 1
        free.append(index)
        if used[chunk] == 0 { release(chunk) }
        return element
    }

    /// Exclusive upper bound of the numbers in use.
    var end: Int { generations.count }

    /// Numbers of all taken slots in ascending order.
    var indices: [Int] { generations.indices.filter { generations[$0] != 0 } }

    private static func place(_ index: Int) -> (chunk: Int, offset: Int) {
        (index / slotsPerChunk, index % slotsPerChunk)
    }

    private mutating func grow() {
        let chunk = chunks.firstIndex(where: \.isEmpty) ?? chunks.count
        if chunk == chunks.count {
            chunks.append([])
            used.append(0)
            generations += Array(repeating: 0, count: Self.slotsPerChunk)
        }
        chunks[chunk] = ContiguousArray(repeating: empty, count: Self.slotsPerChunk)
        free += (0..<Self.slotsPerChunk).reversed().map { chunk * Self.slotsPerChunk + $0 }
    }

    /// Frees an empty chunk. One stays, so that a single connection does not allocate each time.
    private mutating func release(_ chunk: Int) {
        if count == 0, chunks.count > 1 { return reset() }
        guard free.count > 2 * Self.slotsPerChunk else { return }
        chunks[chunk] = []
        free.removeAll { $0 / Self.slotsPerChunk == chunk }
        while let last = chunks.last, last.isEmpty {
            chunks.removeLast()
            used.removeLast()
            generations.removeLast(Self.slotsPerChunk)
        }
    }

    /// Frees all memory: arrays keep their capacity when they shrink.
    private mutating func reset() {
        let next = nextGeneration
        self = Slab(empty: empty)
        nextGeneration = next
    }
}
