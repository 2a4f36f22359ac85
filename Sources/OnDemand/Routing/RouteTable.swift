/// Finds the route of a path: the most specific pattern wins, segment by segment from the left.
///
/// A literal segment precedes a placeholder, and both precede `/*`.
struct RouteTable {
    /// A node in the tree of segments. A table has no two patterns of one shape, so each end belongs to one route.
    private struct Node {
        var literals: [(segment: [UInt8], node: Int)] = []
        var placeholder: Int?
        var whole: Destination?
        var prefix: Destination?
    }

    private var nodes = [Node()]

    /// `routes` must not overlap; the configuration checks that.
    init(_ routes: [Route]) {
        var children: [Place: Int] = [:]
        for route in routes { insert(route, &children) }
        for index in nodes.indices { nodes[index].literals.sort { $0.segment.lexicographicallyPrecedes($1.segment) } }
    }

    /// Key of a literal child while the table is built.
    private struct Place: Hashable {
        let node: Int
        let segment: String
    }

    /// Returns the match of the raw path without query.
    func find(_ path: Span<UInt8>) -> Match? {
        guard path.count > 0, path[0] == UInt8(ascii: "/") else { return nil }
        // A backend may resolve such a path out of the prefix or placeholder that matched; literals contain none.
        guard !PathSyntax.hasDotSegment(path) else { return nil }
        return find(path, from: 0, node: 0)
    }

    /// Searches below `node` from the slash at `start`, most specific child first.
    ///
    /// Every node has one sequence of segments, so backtracking visits no node twice.
    private func find(_ path: Span<UInt8>, from start: Int, node index: Int) -> Match? {
        let node = nodes[index]
        if start == path.count {
            return (node.whole ?? node.prefix).map { Match(destination: $0, matchedByteCount: start) }
        }
        var end = start + 1
        while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
        if let child = Self.child(of: node, path, start + 1, end), let match = find(path, from: end, node: child) {
            return match
        }
        if let placeholder = node.placeholder, end > start + 1,
            let match = find(path, from: end, node: placeholder)
        {
            return match
        }
        return node.prefix.map { Match(destination: $0, matchedByteCount: start) }
    }

    /// Searches the sorted literals by bisection.
    private static func child(of node: Node, _ path: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
        var (low, high) = (0, node.literals.count)
        while low < high {
            let middle = (low + high) / 2
            switch order(path, start, end, node.literals[middle].segment) {
            case 0: return node.literals[middle].node
            case ..<0: high = middle
            default: low = middle + 1
            }
        }
        return nil
    }

    /// Returns a negative number where the path's segment comes first, and 0 where both are equal.
    private static func order(_ path: Span<UInt8>, _ start: Int, _ end: Int, _ segment: [UInt8]) -> Int {
        for offset in 0..<min(end - start, segment.count) where path[start + offset] != segment[offset] {
            return path[start + offset] < segment[offset] ? -1 : 1
        }
        return (end - start) - segment.count
    }

    private mutating func insert(_ route: Route, _ children: inout [Place: Int]) {
        var index = 0
        for segment in route.pattern.segments {
            let existing = child(of: index, for: segment, children)
            if existing == nil { nodes.append(Node()) }
            let child = existing ?? nodes.count - 1
            if existing == nil { attach(child, below: index, for: segment, &children) }
            index = child
        }
        let end = route.pattern.isPrefix ? \Node.prefix : \Node.whole
        precondition(nodes[index][keyPath: end] == nil, "overlapping routes are a configuration error")
        nodes[index][keyPath: end] = route.destination
    }

    private func child(of index: Int, for segment: PathPattern.Segment, _ children: [Place: Int]) -> Int? {
        switch segment {
        case .placeholder: nodes[index].placeholder
        case .literal(let text): children[Place(node: index, segment: text)]
        }
    }

    private mutating func attach(
        _ child: Int, below index: Int, for segment: PathPattern.Segment, _ children: inout [Place: Int]
    ) {
        switch segment {
        case .placeholder: nodes[index].placeholder = child
        case .literal(let text):
            children[Place(node: index, segment: text)] = child
            nodes[index].literals.append((Array(text.utf8), child))
        }
    }
}

/// A pattern and its destination.
struct Route {
    let pattern: PathPattern
    let destination: Destination
}

/// The destination of a path and the length of the matched part.
struct Match: Equatable {
    let destination: Destination
    /// The whole path, or for a `/*` pattern the prefix in front of the slash: `/api` of `/api/users`.
    let matchedByteCount: Int
}
