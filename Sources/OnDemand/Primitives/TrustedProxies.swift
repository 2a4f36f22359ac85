/// The peers whose forwarding headers are trusted: `trusted_proxies` of the configuration.
struct TrustedProxies: Equatable, Sendable {
    /// A range of addresses with a common prefix (RFC 4632).
    struct Network: Hashable, Sendable {
        /// 4 or 16 octets in network order.
        let octets: [UInt8]
        let bits: Int
        private let first: UInt128
        /// Mask of the bits that are not compared.
        private let freeBits: UInt128
        private let isIPv4: Bool

        init(octets: [UInt8], bits: Int) {
            precondition(octets.count == 4 || octets.count == 16, "a network has 4 or 16 octets")
            self.octets = octets
            self.bits = bits
            first = IPAddress(octets: octets)?.number ?? 0
            freeBits = UInt128(octets.count * 8 - bits)
            // An IPv4-mapped network is an IPv4 network (RFC 4291, 2.5.5.2).
            isIPv4 = octets.count == 4 || bits >= 96 && IPAddress(octets: octets)?.isIPv4 == true
        }

        func contains(_ address: IPAddress) -> Bool {
            address.isIPv4 == isIPv4 && (address.number ^ first) >> freeBits == 0
        }
    }

    var networks: [Network] = []
    /// Whether peers on Unix sockets are trusted: processes of this machine.
    var includesUnixSockets = false

    /// Loopback networks (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3).
    static let loopback = [
        Network(octets: [127, 0, 0, 0], bits: 8),
        Network(octets: Array(repeating: 0, count: 15) + [1], bits: 128),
    ]
    /// Private networks (RFC 1918; RFC 4193).
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

    func includes(_ octets: [UInt8]) -> Bool {
        guard !networks.isEmpty, let address = IPAddress(octets: octets) else { return false }
        return includes(address)
    }

    /// Returns whether the address is trusted; an IPv4-mapped address is the same host (RFC 4291, 2.5.5.2).
    func includes(_ address: IPAddress) -> Bool {
        for network in networks where network.contains(address) { return true }
        return false
    }
}
