/// The counter that a connection belongs to until it ends.
enum Admission: Equatable {
    /// Counted at its listener and, where that is limited, at its client prefix.
    case counted(listener: UInt32, clientPrefix: ClientPrefix?)
    /// Not counted; it only gets a 503.
    case rejected
}

/// The unit of `max_connections_per_address`: an IPv4 address, or the /64 prefix of an IPv6 address (RFC 6177), because
/// a site chooses the other 64 bits itself.
struct ClientPrefix: Hashable {
    private let bits: UInt64

    /// nil for the peer of a Unix socket, which has no address.
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let octets, _): bits = 0xffff_0000_0000 | Self.number(octets[...])
        // An IPv4-mapped address is the same client (RFC 4291, 2.5.5.2).
        case .ipv6(let octets, _) where octets.starts(with: Array(repeating: 0, count: 10) + [0xff, 0xff]):
            bits = 0xffff_0000_0000 | Self.number(octets[12...])
        case .ipv6(let octets, _): bits = Self.number(octets[..<8])
        case .unix: return nil
        }
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }
}
