/// Finds where a request goes by its path: the most specific pattern wins, segment by segment from the left.
///
/// A literal segment beats a placeholder, and both beat what `/*` leaves open.
struct RouteTable {
    /// A place in the tree of segments. A table never holds two patterns of one shape, so each end is one route's.
    private struct Node {
        var literals: [(segment: [UInt8], node: Int)] = []
        var placeholder: Int?
        var whole: Destination?
        var prefix: Destination?
    }

    private var nodes = [Node()]

    /// `routes` must not overlap; the configuration has been checked for that.
    init(_ routes: [Route]) {
        for route in routes { insert(route) }
    }

    /// `path` is the raw path of the request target, without its query.
    func find(_ path: Span<UInt8>) -> Match? {
        guard path.count > 0, path[0] == UInt8(ascii: "/") else { return nil }
        // The backend may resolve such a path out of the prefix or placeholder that let it in, and no literal has any.
        guard !PathSyntax.hasDotSegment(path) else { return nil }
        return find(path, from: 0, node: 0)
    }

    /// Looks below `node` for what stands at the slash at `start`, the most specific way first.
    ///
    /// Every node is reached by one sequence of segments, so going back never visits one twice.
    private func find(_ path: Span<UInt8>, from start: Int, node index: Int) -> Match? {
        let node = nodes[index]
        if start == path.count {
            return (node.whole ?? node.prefix).map { Match(destination: $0, matchedByteCount: start) }
        }
        var end = start + 1
        while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
        for literal in node.literals where Self.equals(path, start + 1, end, literal.segment) {
            if let match = find(path, from: end, node: literal.node) { return match }
        }
        if let placeholder = node.placeholder, end > start + 1,
            let match = find(path, from: end, node: placeholder)
        {
            return match
        }
        return node.prefix.map { Match(destination: $0, matchedByteCount: start) }
    }

    private static func equals(_ path: Span<UInt8>, _ start: Int, _ end: Int, _ segment: [UInt8]) -> Bool {
        guard end - start == segment.count else { return false }
        for offset in segment.indices where path[start + offset] != segment[offset] { return false }
        return true
    }

    private mutating func insert(_ route: Route) {
        var index = 0
        for segment in route.pattern.segments {
            let existing = child(of: index, for: segment)
            if existing == nil { nodes.append(Node()) }
            let child = existing ?? nodes.count - 1
            if existing == nil { link(child, below: index, for: segment) }
            index = child
        }
        let end = route.pattern.isPrefix ? \Node.prefix : \Node.whole
        precondition(nodes[index][keyPath: end] == nil, "overlapping routes are a configuration error")
        nodes[index][keyPath: end] = route.destination
    }

    private func child(of index: Int, for segment: PathPattern.Segment) -> Int? {
        switch segment {
        case .placeholder: nodes[index].placeholder
        case .literal(let text): nodes[index].literals.first { $0.segment.elementsEqual(text.utf8) }?.node
        }
    }

    private mutating func link(_ child: Int, below index: Int, for segment: PathPattern.Segment) {
        switch segment {
        case .placeholder: nodes[index].placeholder = child
        case .literal(let text): nodes[index].literals.append((Array(text.utf8), child))
        }
    }
}

/// A pattern and where it leads.
struct Route {
    let pattern: PathPattern
    let destination: Destination
}

/// What a path led to, and how much of it the pattern stood for.
struct Match: Equatable {
    let destination: Destination
    /// The whole path, or for a `/*` pattern the prefix in front of the slash: `/api` of `/api/users`.
    let matchedByteCount: Int
}
