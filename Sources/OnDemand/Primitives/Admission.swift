/// The address that a connection comes from, and the counters that it belongs to until it ends.
///
/// 20 bytes, because each idle tunnel keeps one.
struct Admission: Equatable, Sendable {
    /// The peer's, or what a PROXY header has said. Kept because the system forgets the peer of a broken connection
    /// (getpeername(2), ENOTCONN), and log lines name it.
    private(set) var address: ClientAddress
    /// The listener's number, from 1 on; zero where the connection is counted nowhere. The highest bit: with its
    /// address, too.
    private var bits: UInt32

    private static let withAddress: UInt32 = 1 << 31

    /// Not counted; it only gets a 503.
    static func rejected(_ address: ClientAddress) -> Admission { Admission(address: address, bits: 0) }

    /// Counted with its listener, and with its address only where connections per address are limited.
    static func counted(_ address: ClientAddress, listener: UInt32, withAddress: Bool) -> Admission {
        precondition(listener < Self.withAddress, "listeners are numbered in 31 bits")
        return Admission(address: address, bits: listener | (withAddress ? Self.withAddress : 0))
    }

    /// Stands where there is no connection.
    static var none: Admission { .rejected(.none) }

    /// nil for a rejected connection.
    var listener: UInt32? {
        let number = bits & ~Self.withAddress
        return number == 0 ? nil : number
    }

    /// What it is counted with; nil where that is not limited.
    var clientPrefix: ClientPrefix? { bits & Self.withAddress == 0 ? nil : ClientPrefix(address) }

    /// A PROXY header has said where the client is.
    mutating func announced(_ address: ClientAddress) { self.address = address }

    mutating func countWithAddress() { bits |= Self.withAddress }
}

/// The address of a client in 16 bytes: an IPv4 address as the IPv6 address that it is mapped to.
struct ClientAddress: Hashable, Sendable {
    fileprivate let high: UInt64
    fileprivate let low: UInt64

    /// Of a Unix socket's peer, which has none.
    static var none: ClientAddress { ClientAddress(high: 0, low: 0) }

    private init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    init(_ address: SocketAddress) {
        let number = address.octets.flatMap { IPAddress(octets: $0)?.number } ?? 0
        (high, low) = (UInt64(truncatingIfNeeded: number >> 64), UInt64(truncatingIfNeeded: number))
    }

    /// As `$remote_addr` shows it.
    var text: String {
        self == .none ? SocketAddress.unix(path: "").host : IPAddress(number: UInt128(high) << 64 | UInt128(low)).text
    }
}

/// The unit of `max_connections_per_address`: an IPv4 address, or the /64 prefix of an IPv6 address (RFC 6177), because
/// a site chooses the other 64 bits itself.
struct ClientPrefix: Hashable {
    private let bits: UInt64

    /// nil for the peer of a Unix socket, which has no address.
    init?(_ address: ClientAddress) {
        guard address != .none else { return nil }
        // Mapped addresses begin with 64 zero bits; of the others that clients have only `::1` does (RFC 4291, 2.5).
        bits = address.high == 0 ? address.low : address.high
    }

    init?(_ address: SocketAddress) { self.init(ClientAddress(address)) }
}
