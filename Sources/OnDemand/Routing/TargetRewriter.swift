/// Writes the request target for the backend (RFC 9112, 3.2.1: path and query).
enum TargetRewriter {
    /// `targetPath` replaces the first `matched` bytes of `path`; nil keeps the path.
    ///
    /// Other bytes are copied unchanged. `query` has no question mark; an empty one is written as a bare question mark.
    static func upstreamTarget(
        path: Span<UInt8>, matched: Int, targetPath: String?, query: Span<UInt8>?
    ) -> [UInt8] {
        precondition(matched <= path.count, "the match is longer than the path")
        var target: [UInt8] = []
        target.reserveCapacity(path.count + (targetPath?.utf8.count ?? 0) + (query?.count ?? 0) + 1)
        var rest = 0
        if let targetPath {
            target.append(contentsOf: targetPath.utf8)
            rest = matched
            // `/v1/` and `/users` share one slash.
            let slash = UInt8(ascii: "/")
            if target.last == slash, rest < path.count, path[rest] == slash { rest += 1 }
        }
        for index in rest..<path.count { target.append(path[index]) }
        if let query {
            target.append(UInt8(ascii: "?"))
            for index in query.indices { target.append(query[index]) }
        }
        return target
    }
}
