/// Numbered slots for many small values: a number for each, the lowest free one first.
///
/// Slots live in chunks of 64, so growing moves nothing, and a chunk without values has no memory. Numbers are reused;
/// a holder of a number must not outlive the value.
struct Pool<Element> {
    private static var slotsPerChunk: Int { 64 }

    private struct Chunk {
        /// One bit for each slot.
        var taken: UInt64 = 0
        /// Empty while no slot is taken.
        var elements: ContiguousArray<Element> = []
    }

    private var chunks: [Chunk] = []
    /// No chunk before this one has a free slot.
    private var firstWithRoom = 0
    /// Stands in every free slot.
    private let empty: Element
    private(set) var count = 0

    init(empty: Element) { self.empty = empty }

    /// Every number in use is below.
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
        if chunks.capacity > 4 * chunks.count + 64 { chunks = Array(chunks[...]) }
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
    /// After a crowd has left: a dictionary that gets smaller keeps the memory that it had.
    mutating func shrinkIfSparse() {
        guard capacity > 8 * count + 512 else { return }
        self = Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) })
    }
}
