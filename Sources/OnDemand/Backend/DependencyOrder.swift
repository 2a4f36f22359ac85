/// The start order of entries: dependencies first, otherwise the given order.
enum DependencyOrder {
    struct Entry: Equatable {
        let name: String
        let requires: [String]
    }

    /// Returns the indices of the entries in start order; a shutdown uses the reverse. Unknown names, and the
    /// requirement that closes a cycle, are skipped.
    static func positions(of entries: [Entry]) -> [Int] {
        let places = Self.places(of: entries)
        var order: [Int] = []
        var isSeen = Array(repeating: false, count: entries.count)
        func visit(_ position: Int) {
            guard !isSeen[position] else { return }
            isSeen[position] = true
            entries[position].requires.compactMap { places[$0] }.forEach(visit)
            order.append(position)
        }
        entries.indices.forEach(visit)
        return order
    }

    /// Returns names of which each requires the next, the first one again at the end; nil without a cycle.
    static func cycle(in entries: [Entry]) -> [String]? {
        let places = Self.places(of: entries)
        var isSound = Array(repeating: false, count: entries.count)
        var isOnPath = isSound
        var path: [Int] = []
        func visit(_ position: Int) -> [Int]? {
            guard !isOnPath[position] else { return path[path.firstIndex(of: position)!...] + [position] }
            guard !isSound[position] else { return nil }
            path.append(position)
            isOnPath[position] = true
            for name in entries[position].requires {
                if let next = places[name], let cycle = visit(next) { return cycle }
            }
            path.removeLast()
            isOnPath[position] = false
            isSound[position] = true
            return nil
        }
        for position in entries.indices {
            if let cycle = visit(position) { return cycle.map { entries[$0].name } }
        }
        return nil
    }

    private static func places(of entries: [Entry]) -> [String: Int] {
        Dictionary(entries.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }
}
