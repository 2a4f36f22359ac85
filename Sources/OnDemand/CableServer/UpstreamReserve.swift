/// Upstreams that are made before they are needed, many in a row.
///
/// A client that begins to hibernate keeps everything but its upstream. An upstream between the allocations that stay
/// would leave a gap that is too small for anything else. Upstreams that were made in a row leave whole pages, which
/// the system gets back: 80 bytes for each of 9,900 clients.
struct UpstreamReserve {
    /// A quarter of those in use at once, within these limits: an unused rest is small beside them.
    private static let (least, most) = (8, 512)

    private var unused: [Upstream] = []

    /// `inUse`: how many the cable's clients may have now.
    mutating func take(inUse: Int) -> Upstream {
        if unused.isEmpty {
            let count = min(max(inUse / 4, Self.least), Self.most)
            unused.reserveCapacity(count)
            for _ in 0..<count { unused.append(Upstream()) }
        }
        return unused.removeLast()
    }

    /// No client is left.
    mutating func removeAll() { unused = [] }
}
