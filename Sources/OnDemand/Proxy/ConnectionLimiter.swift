/// How many connections there are of a kind, and whether one more may come.
struct ConnectionLimiter: Equatable {
    private(set) var count = 0
    /// The operator was told that it is full, and it has not been much emptier since.
    private var isTold = false

    func hasRoom(under limit: Int?) -> Bool { limit.map { count < $0 } ?? true }

    mutating func enter() { count += 1 }

    mutating func leave(under limit: Int?) {
        precondition(count > 0, "more left than had come")
        count -= 1
        if let limit, count <= limit - max(1, limit / 4) { isTold = false }
    }

    /// True once each time it gets full: a flood must not flood the log as well.
    mutating func isNews() -> Bool {
        defer { isTold = true }
        return !isTold
    }
}

/// Whose connections are counted together: an IPv4 address, or the 64 bits of an IPv6 address that one site has
/// (RFC 6177), because the rest is the client's own to choose.
struct ClientPrefix: Hashable {
    private let bits: UInt64

    /// nil for a Unix socket's peer, which has no address.
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let octets, _): bits = 0xffff_0000_0000 | Self.number(octets[...])
        // An IPv4 address in IPv6 clothes is the same client (RFC 4291, 2.5.5.2).
        case .ipv6(let octets, _) where octets.starts(with: Array(repeating: 0, count: 10) + [0xff, 0xff]):
            bits = 0xffff_0000_0000 | Self.number(octets[12...])
        case .ipv6(let octets, _): bits = Self.number(octets[..<8])
        case .unix: return nil
        }
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }
}
