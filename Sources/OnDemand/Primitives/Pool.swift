/// Numbered slots for many small values; the lowest free number is used first.
///
/// Slots are in chunks of 64: growing moves no values, and an empty chunk uses no memory. Numbers are reused, so they
/// must not outlive the value.
struct Pool<Element> {
    private static var slotsPerChunk: Int { 64 }

    private struct Chunk {
        /// One bit per slot.
        var taken: UInt64 = 0
        /// Empty while no slot is in use.
        var elements: ContiguousArray<Element> = []
    }

    private var chunks: [Chunk] = []
    /// Chunks before this index have no free slot.
    private var firstWithRoom = 0
    /// The content of free slots.
    private let empty: Element
    private(set) var count = 0

    init(empty: Element) { self.empty = empty }

    /// Exclusive upper bound of the numbers in use.
    var end: Int { chunks.count * Self.slotsPerChunk }

    func contains(_ number: UInt32) -> Bool {
        let (chunk, offset) = Self.place(number)
        return chunk < chunks.count && chunks[chunk].taken & 1 << UInt64(offset) != 0
    }

    mutating func insert(_ element: Element) -> UInt32 {
        while firstWithRoom < chunks.count, chunks[firstWithRoom].taken == .max { firstWithRoom += 1 }
        if firstWithRoom == chunks.count { chunks.append(Chunk()) }
        let chunk = firstWithRoom
        if chunks[chunk].elements.isEmpty {
            chunks[chunk].elements = ContiguousArray(repeating: empty, count: Self.slotsPerChunk)
        }
        let offset = (~chunks[chunk].taken).trailingZeroBitCount
        chunks[chunk].taken |= 1 << UInt64(offset)
        chunks[chunk].elements[offset] = element
        count += 1
        return UInt32(chunk * Self.slotsPerChunk + offset)
    }

    mutating func remove(_ number: UInt32) {
        precondition(contains(number), "a slot was emptied twice")
        let (chunk, offset) = Self.place(number)
        chunks[chunk].taken &= ~(1 << UInt64(offset))
        chunks[chunk].elements[offset] = empty
        count -= 1
        firstWithRoom = min(firstWithRoom, chunk)
        guard count > 0 else {
            chunks = []
            firstWithRoom = 0
            return
        }
        guard chunks[chunk].taken == 0 else { return }
        chunks[chunk].elements = []
        while chunks.last?.taken == 0 { chunks.removeLast() }
        if chunks.capacity > 4 * chunks.count + 64 { chunks = chunks.withoutSpareCapacity }
        firstWithRoom = min(firstWithRoom, chunks.count)
    }

    /// The value of a slot in use.
    subscript(number: UInt32) -> Element {
        _read {
            let (chunk, offset) = Self.place(number)
            yield chunks[chunk].elements[offset]
        }
        _modify {
            let (chunk, offset) = Self.place(number)
            yield &chunks[chunk].elements[offset]
        }
    }

    @inline(__always)
    private static func place(_ number: UInt32) -> (chunk: Int, offset: Int) {
        (Int(number) / slotsPerChunk, Int(number) % slotsPerChunk)
    }
}

extension Dictionary {
    /// Shrinks a sparse dictionary, which otherwise keeps the memory of its largest size.
    mutating func shrinkIfSparse() {
        guard capacity > 8 * count + 512 else { return }
        self = Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) })
    }
}
