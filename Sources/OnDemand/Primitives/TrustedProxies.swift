/// The neighbours whose word about a client is taken: `trusted_proxies` of the configuration.
struct TrustedProxies: Equatable, Sendable {
    /// A range of addresses (RFC 4632): those that agree in their first bits.
    struct Network: Hashable, Sendable {
        /// Four, or sixteen.
        let octets: [UInt8]
        let bits: Int

        func contains(_ address: [UInt8]) -> Bool {
            guard address.count == octets.count else { return false }
            let (whole, rest) = bits.quotientAndRemainder(dividingBy: 8)
            guard address[..<whole] == octets[..<whole] else { return false }
            return rest == 0 || (address[whole] ^ octets[whole]) >> (8 - rest) == 0
        }
    }

    var networks: [Network] = []
    /// Peers on Unix sockets: processes of this machine.
    var includesUnixSockets = false

    /// This machine (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3).
    static let loopback = [
        Network(octets: [127, 0, 0, 0], bits: 8),
        Network(octets: Array(repeating: 0, count: 15) + [1], bits: 128),
    ]
    /// Networks that nobody reaches from outside (RFC 1918; RFC 4193).
    static let `private` = [
        Network(octets: [10, 0, 0, 0], bits: 8), Network(octets: [172, 16, 0, 0], bits: 12),
        Network(octets: [192, 168, 0, 0], bits: 16),
        Network(octets: [0xfc] + Array(repeating: 0, count: 15), bits: 7),
    ]

    func includes(_ address: SocketAddress) -> Bool {
        switch address {
        case .ipv4(let octets, _), .ipv6(let octets, _): includes(octets)
        case .unix: includesUnixSockets
        }
    }

    /// An IPv4 address in IPv6 clothes is the same host (RFC 4291, 2.5.5.2).
    func includes(_ octets: [UInt8]) -> Bool {
        guard !networks.isEmpty else { return false }
        let mapped = Array(repeating: 0, count: 10) + [0xff, 0xff] as [UInt8]
        let plain = octets.count == 16 && octets.starts(with: mapped) ? Array(octets[12...]) : octets
        return networks.contains { $0.contains(plain) }
    }
}
