/// Byte strings that were seen lately: equal ones share one copy.
///
/// Thousands of clients may have a subscription with the same identifier. A shared array is a reference, so the copy
/// lives as long as any of its users, whatever happens here. Nothing is counted or released, as an
/// `Interner` does for strings that need a number.
struct RecentCopies {
    /// By the hash of their content. A later string takes the place of an earlier one.
    private var copies: [[UInt8]] = []

    /// `bytes` or an equal array that was seen before. Long strings are not kept.
    mutating func shared(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count <= Limits.sharedCopyBytes else { return bytes }
        if copies.isEmpty { copies = Array(repeating: [], count: Limits.sharedCopies) }
        let place = Self.place(of: bytes)
        if copies[place] == bytes { return copies[place] }
        copies[place] = bytes
        return bytes
    }

    /// FNV-1a: the same place in each run, so that a simulation can be repeated. Collisions only cost memory.
    private static func place(of bytes: [UInt8]) -> Int {
        var hash: UInt32 = 0x811c_9dc5
        for byte in bytes { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int(hash % UInt32(Limits.sharedCopies))
    }
}
