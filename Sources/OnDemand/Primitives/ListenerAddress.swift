/// The address of a TCP listener, and which connections reach it.
struct ListenerAddress: Hashable, Sendable {
    let address: SocketAddress
    /// A wildcard IPv6 listener that also accepts IPv4 connections (ipv6(7), IPV6_V6ONLY off).
    let acceptsIPv4: Bool

    /// nil for a Unix socket, which has no port.
    init?(_ address: SocketAddress, acceptsIPv4: Bool = false) {
        guard address.port != nil else { return nil }
        self.address = address.unmapped
        self.acceptsIPv4 = acceptsIPv4
    }

    /// Whether a connection to an address reaches this listener, given that both are in one network namespace.
    enum Reach {
        case never
        case always
        /// The listener accepts on all addresses of its machine.
        case ifAddressIsLocal
    }

    /// Compare the ports first: in most cases nothing else is needed.
    func reach(from target: SocketAddress) -> Reach {
        guard target.port == address.port else { return .never }
        let target = target.unmapped.connectable
        guard address.isWildcard else { return address == target ? .always : .never }
        switch (address, target) {
        case (.ipv4, .ipv4), (.ipv6, .ipv6): break
        case (.ipv6, .ipv4) where acceptsIPv4: break
        default: return .never
        }
        return target.isLoopback ? .always : .ifAddressIsLocal
    }
}

extension SocketAddress {
    /// `0.0.0.0` or `::`: all addresses of the machine for a listener, the loopback for a connection.
    fileprivate var isWildcard: Bool { octets?.allSatisfy { $0 == 0 } ?? false }

    /// The address that a connection to this one is made to (ip(7), INADDR_ANY).
    fileprivate var connectable: SocketAddress {
        guard isWildcard else { return self }
        switch self {
        case .ipv4(_, let port): return .ipv4(octets: [127, 0, 0, 1], port: port)
        case .ipv6(_, let port): return .ipv6(octets: Array(repeating: 0, count: 15) + [1], port: port)
        case .unix: return self
        }
    }
}
