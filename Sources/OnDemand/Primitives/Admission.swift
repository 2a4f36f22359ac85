/// Where a connection is counted, until it ends.
enum Admission: Equatable {
    /// With its listener and where it comes from; the latter only where that is limited.
    case counted(listener: UInt32, clientPrefix: ClientPrefix?)
    /// It is only told that there are too many.
    case rejected
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
