/// Addresses from the tables of /proc/net, for hints to the operator (proc(5)).
extension LinuxKernel {
    func listeningAddresses(ofTreeOf leader: ProcessID, atMost limit: Int) -> [SocketAddress] {
        let inodes = Set(([leader.number] + tree(of: leader).map(\.number)).flatMap(Self.socketInodes))
        guard !inodes.isEmpty else { return [] }
        let internet = ["tcp", "tcp6"].flatMap { Self.rows(of: $0) }
            .filter { $0.count > 9 && $0[3] == "0A" && inodes.contains($0[9]) }
            .compactMap { Self.address($0[1]) }
        // A listener has the flag __SO_ACCEPTCON (unix(7)).
        let local = Self.rows(of: "unix")
            .filter { $0.count == 8 && $0[3] == "00010000" && inodes.contains($0[6]) }
            .map { SocketAddress.unix(path: String($0[7])) }
        return Array((internet + local).prefix(limit))
    }

    func hasTimeWait(at address: SocketAddress) -> Bool {
        ["tcp", "tcp6"].contains { table in
            Self.rows(of: table).contains { row in
                row.count > 9 && row[3] == "06" && Self.address(row[1])?.port == address.port && address.port != nil
            }
        }
    }

    private static func rows(of table: String) -> [[Substring]] {
        (contents(of: "/proc/net/\(table)") ?? "").split(separator: "\n").dropFirst().map { $0.split(separator: " ") }
    }

    private static func socketInodes(of process: Int32) -> [Substring] {
        entries(of: "/proc/\(process)/fd").compactMap { entry in
            let target = linkTarget(of: "/proc/\(process)/fd/\(entry)", atMost: 64)
            return target.hasPrefix("socket:[") ? target.dropFirst(8).dropLast() : nil
        }
    }

    /// Parses an address: each 4 octets are a hexadecimal number in host order, the port is in normal order.
    private static func address(_ text: Substring) -> SocketAddress? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16), parts[0].utf8.count.isMultiple(of: 8) else {
            return nil
        }
        var octets: [UInt8] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            octets += (0..<4).map { UInt8(truncatingIfNeeded: word.littleEndian >> (8 * UInt32($0))) }
            rest = rest.dropFirst(8)
        }
        return octets.count == 4 ? .ipv4(octets: octets, port: port) : .ipv6(octets: octets, port: port)
    }
}
