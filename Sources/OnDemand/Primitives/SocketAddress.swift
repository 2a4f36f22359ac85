/// Where a socket listens or connects: numeric on purpose, because a fully static executable has no name service.
enum SocketAddress: Hashable, Sendable {
    /// Four octets in network order.
    case ipv4(octets: [UInt8], port: UInt16)
    /// Sixteen octets in network order.
    case ipv6(octets: [UInt8], port: UInt16)
    /// A path in the file system (unix(7)).
    case unix(path: String)

    var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port): port
        case .unix: nil
        }
    }

    /// In network order; a Unix socket has none.
    var octets: [UInt8]? {
        switch self {
        case .ipv4(let octets, _), .ipv6(let octets, _): octets
        case .unix: nil
        }
    }

    /// An IPv4 client of a listener for both families has an IPv6 address that stands for its own (RFC 4291, 2.5.5.2);
    /// it is one and the same client.
    var unmapped: SocketAddress {
        guard case .ipv6(let octets, let port) = self, IPAddress(octets: octets)?.isIPv4 == true else { return self }
        return .ipv4(octets: Array(octets[12...]), port: port)
    }

    /// Of this machine, whatever its networks are.
    var isLoopback: Bool {
        switch self {
        case .ipv4(let octets, _): octets.first == 127
        case .ipv6(let octets, _): octets == Array(repeating: 0, count: 15) + [1]
        case .unix: false
        }
    }

    /// The same host at another port; a Unix socket has none.
    func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let octets, _): .ipv4(octets: octets, port: port)
        case .ipv6(let octets, _): .ipv6(octets: octets, port: port)
        case .unix: self
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The form that `listen` takes: `127.0.0.1:3000`, `[::1]:3000`, `unix:/path`.
    var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, let port): "[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The address without its port, as `$remote_addr` shows it; a Unix socket's peer has no address: `unix:`.
    var host: String {
        switch self {
        case .ipv4:
            var text: [UInt8] = []
            writeHost(to: &text)
            return String(decoding: text, as: UTF8.self)
        case .ipv6(let octets, _):
            return Self.ipv6Text(octets)
        case .unix:
            return "unix:"
        }
    }

    /// The same for a head that is being written: most clients have an IPv4 address, and then no text is made for it.
    func writeHost(to output: inout [UInt8]) {
        guard case .ipv4(let octets, _) = self else {
            output += host.utf8
            return
        }
        for (place, octet) in octets.enumerated() {
            if place > 0 { output.append(UInt8(ascii: ".")) }
            if octet >= 100 { output.append(UInt8(ascii: "0") + octet / 100) }
            if octet >= 10 { output.append(UInt8(ascii: "0") + octet / 10 % 10) }
            output.append(UInt8(ascii: "0") + octet % 10)
        }
    }

    /// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`.
    private static func ipv6Text(_ octets: [UInt8]) -> String {
        let groups = (0..<8).map { UInt16(octets[2 * $0]) << 8 | UInt16(octets[2 * $0 + 1]) }
        var longest = 0..<0
        var start = 0
        while start < 8 {
            let end = groups[start...].firstIndex { $0 != 0 } ?? 8
            if end - start > max(longest.count, 1) { longest = start..<end }
            start = max(end, start + 1)
        }
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !longest.isEmpty else { return text(groups[...]) }
        return "\(text(groups[..<longest.lowerBound]))::\(text(groups[longest.upperBound...]))"
    }
}
