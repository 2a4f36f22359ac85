/// The address of a listening or connecting socket; numeric, because a static executable has no name service.
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

    /// In network order; nil for a Unix socket.
    var octets: [UInt8]? {
        switch self {
        case .ipv4(let octets, _), .ipv6(let octets, _): octets
        case .unix: nil
        }
    }

    /// The address with IPv4-mapped IPv6 as IPv4 (RFC 4291, 2.5.5.2), as a dual-stack listener reports IPv4 clients.
    var unmapped: SocketAddress {
        guard case .ipv6(let octets, let port) = self, IPAddress(octets: octets)?.isIPv4 == true else { return self }
        return .ipv4(octets: Array(octets[12...]), port: port)
    }

    /// Whether it is a loopback address.
    var isLoopback: Bool {
        switch self {
        case .ipv4(let octets, _): octets.first == 127
        case .ipv6(let octets, _): octets == Array(repeating: 0, count: 15) + [1]
        case .unix: false
        }
    }

    /// Returns the same host with another port; a Unix socket unchanged.
    func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let octets, _): .ipv4(octets: octets, port: port)
        case .ipv6(let octets, _): .ipv6(octets: octets, port: port)
        case .unix: self
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The notation of `listen`: `127.0.0.1:3000`, `[::1]:3000`, `unix:/path`.
    var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, let port): "[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The address without port, as in `$remote_addr`; `unix:` for a Unix socket.
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

    /// Appends `host`; without allocation for IPv4, which most clients use.
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

    /// Returns RFC 5952 text: lower case, no leading zeros, the longest run of zero groups as `::`.
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
