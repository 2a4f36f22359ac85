/// Where each armed timer stands in the heap: a hash table of plain numbers.
///
/// Every connection arms and cancels several timers, and each of these moves entries of the heap. A `Dictionary` guards
/// against keys chosen by an enemy; these are our own, and looking one up here takes a sixth of the instructions.
struct PositionTable {
    /// Zero where there is nobody. At most half of them are taken, and whoever finds its place taken goes to the next
    /// one that is free (linear probing).
    private var codes: [UInt64] = []
    private var positions: [Int] = []
    private var count = 0

    private static let smallest = 16

    subscript(code: UInt64) -> Int? {
        guard count > 0 else { return nil }
        let place = place(of: code)
        return codes[place] == code ? positions[place] : nil
    }

    mutating func set(_ code: UInt64, to position: Int) {
        precondition(code != 0, "zero marks a free place")
        if 2 * (count + 1) > codes.count { resize(to: max(Self.smallest, 2 * codes.count)) }
        let place = place(of: code)
        if codes[place] == 0 { count += 1 }
        codes[place] = code
        positions[place] = position
    }

    /// Where it was, if it was there.
    mutating func remove(_ code: UInt64) -> Int? {
        guard count > 0 else { return nil }
        var hole = place(of: code)
        guard codes[hole] == code else { return nil }
        let position = positions[hole]
        // Whoever would not be found past the hole moves into it, and leaves another one.
        var next = following(hole)
        while codes[next] != 0 {
            if distance(from: home(of: codes[next]), to: next) >= distance(from: hole, to: next) {
                codes[hole] = codes[next]
                positions[hole] = positions[next]
                hole = next
            }
            next = following(next)
        }
        codes[hole] = 0
        count -= 1
        // A crowd's table is given back when the crowd has gone.
        if count == 0, codes.count > Self.smallest { self = PositionTable() }
        return position
    }

    /// The place of a code, or the free one where it would go.
    private func place(of code: UInt64) -> Int {
        var place = home(of: code)
        while codes[place] != code, codes[place] != 0 { place = following(place) }
        return place
    }

    /// Multiplied by the golden ratio, so that codes in a row do not land in a row (Knuth, volume 3, 6.4).
    private func home(of code: UInt64) -> Int {
        Int((code &* 0x9e37_79b9_7f4a_7c15) >> 32) & (codes.count - 1)
    }

    private func following(_ place: Int) -> Int { (place + 1) & (codes.count - 1) }

    private func distance(from start: Int, to end: Int) -> Int { (end - start) & (codes.count - 1) }

    /// `size` is a power of two.
    private mutating func resize(to size: Int) {
        let old = (codes: codes, positions: positions)
        codes = Array(repeating: 0, count: size)
        positions = Array(repeating: 0, count: size)
        for index in old.codes.indices where old.codes[index] != 0 {
            let place = place(of: old.codes[index])
            codes[place] = old.codes[index]
            positions[place] = old.positions[index]
        }
    }
}
