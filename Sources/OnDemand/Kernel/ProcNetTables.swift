/// The tables of sockets in /proc/net (proc(5)).
enum ProcNetTables {
    /// Addresses at which these processes listen, at most `limit`.
    static func listeningAddresses(of processes: [Int32], atMost limit: Int) -> [SocketAddress] {
        let inodes = Set(processes.flatMap(socketInodes))
        guard !inodes.isEmpty else { return [] }
        let internet = ["tcp", "tcp6"].flatMap { rows(of: $0) }
            .filter { $0.count > 9 && $0[3] == "0A" && inodes.contains($0[9]) }
            .compactMap { address($0[1]) }
        // A listener has the flag __SO_ACCEPTCON (unix(7)).
        let local = rows(of: "unix")
            .filter { $0.count == 8 && $0[3] == "00010000" && inodes.contains($0[6]) }
            .map { SocketAddress.unix(path: String($0[7])) }
        return Array((internet + local).prefix(limit))
    }

    static func hasTimeWait(at address: SocketAddress) -> Bool {
        ["tcp", "tcp6"].contains { table in
            rows(of: table).contains { row in
                row.count > 9 && row[3] == "06" && Self.address(row[1])?.port == address.port && address.port != nil
            }
        }
    }

    private static func rows(of table: String) -> [[Substring]] {
        (ProcFile.contents(of: "/proc/net/\(table)") ?? "").split(separator: "\n").dropFirst().map {
            $0.split(separator: " ")
        }
    }

    private static func socketInodes(of process: Int32) -> [Substring] {
        ProcFile.entries(of: "/proc/\(process)/fd").compactMap { entry in
            let target = ProcFile.linkTarget(of: "/proc/\(process)/fd/\(entry)", atMost: 64)
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

    /// Addresses in the format of the tables, each 4 octets a number in host order, the most specific first.
    static func localAddresses(taking address: SocketAddress) -> [String] {
        let written = { (octets: [UInt8]) in
            stride(from: 0, to: octets.count, by: 4).map { first in
                let number = octets[first..<first + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                return hexadecimal(UInt32(littleEndian: number), digits: 8)
            }.joined()
        }
        let anyVersion6 = String(repeating: "0", count: 32)
        return switch address {
        case .ipv4(let octets, _):
            [written(octets), written(Array(repeating: 0, count: 10) + [255, 255] + octets), "00000000", anyVersion6]
        case .ipv6(let octets, _): [written(octets), anyVersion6]
        case .unix: []
        }
    }

    static func hexadecimal(_ number: UInt32, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}
