/// Numbered slots for plain values; each reuse of a number is another generation, so a stale token finds nobody.
///
/// Slots live in chunks that never move and are given back when they are empty, so that ten thousand connections cost
/// memory while they last and not afterwards.
struct Slab<Element> {
    private static var slotsPerChunk: Int { 64 }

    /// The generation of every slot, 0 while nobody has it. Beside the elements, so that who only asks whether a token
    /// is still good copies no element.
    private var generations: [UInt32] = []
    /// Without slots where a chunk was given back. No optionals: what looks at one field of an element would copy it
    /// whole to see whether it is there.
    private var chunks: [ContiguousArray<Element>] = []
    /// Stands in every slot that nobody has.
    private let empty: Element
    /// Taken slots, by chunk.
    private var used: [Int] = []
    /// Free slots, the lowest last; only of chunks that exist.
    private var free: [Int] = []
    /// Generations go on counting where a chunk was given back.
    private var nextGeneration: UInt32 = 1
    private(set) var count = 0

    init(empty: Element) { self.empty = empty }

    mutating func insert(_ element: consuming Element) -> (index: Int, generation: UInt32) {
        let place = claim()
        self[place.index] = element
        return place
    }

    /// A slot as it is while nobody has it, for who fills it where it stands.
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

    /// The element of a slot that is known to be taken.
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

    /// One thing about an element: the rest of it is not copied, as it would be by the subscript.
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

    /// The numbers of all taken slots, in order.
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

    /// One empty chunk is kept, so that a lone connection that comes and goes does not allocate each time.
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

    /// After a crowd, whoever of it was the last to leave: arrays that get shorter keep the room that they had.
    private mutating func reset() {
        let next = nextGeneration
        self = Slab(empty: empty)
        nextGeneration = next
    }
}
