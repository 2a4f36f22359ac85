/// Writes the request target that a backend sees (RFC 9112, 3.2.1: path and query).
enum TargetRewriter {
    /// `targetPath` takes the place of the first `matched` bytes of `path`; without it the path travels on as it came.
    ///
    /// What is not replaced is copied byte for byte. `query` comes without its question mark; an empty one is a
    /// question mark with nothing behind it, which travels on too.
    static func upstreamTarget(
        path: Span<UInt8>, matched: Int, targetPath: String?, query: Span<UInt8>?
    ) -> [UInt8] {
        precondition(matched <= path.count, "more was matched than there is")
        var target: [UInt8] = []
        target.reserveCapacity(path.count + (targetPath?.utf8.count ?? 0) + (query?.count ?? 0) + 1)
        var rest = 0
        if let targetPath {
            target.append(contentsOf: targetPath.utf8)
            rest = matched
            // `/v1/` and `/users` meet in one slash.
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
