/// One copy and one number for equal bytes, for as long as they are in use.
struct Interner {
    private struct Entry {
        let bytes: [UInt8]
        var uses: UInt32
    }

    private var entries = Pool(empty: Entry(bytes: [], uses: 0))
    private var numbers: [[UInt8]: UInt32] = [:]

    var count: Int { entries.count }

    subscript(number: UInt32) -> [UInt8] { entries[number].bytes }

    func find(_ bytes: [UInt8]) -> UInt32? { numbers[bytes] }

    /// Returns the number of these bytes, which are in use once more.
    mutating func retain(_ bytes: [UInt8]) -> UInt32 {
        if let number = numbers[bytes] {
            entries[number].uses += 1
            return number
        }
        let exact = bytes.withoutSpareCapacity
        let number = entries.insert(Entry(bytes: exact, uses: 1))
        numbers[exact] = number
        return number
    }

    mutating func release(_ number: UInt32) {
        entries[number].uses -= 1
        guard entries[number].uses == 0 else { return }
        numbers.removeValue(forKey: entries[number].bytes)
        numbers.shrinkIfSparse()
        entries.remove(number)
    }
}
